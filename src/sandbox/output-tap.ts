/**
 * Reads what a sandbox prints, through descriptors that were opened before any of its code ran, so that no path
 * of the handler's is ever followed. The files are memory and hold `output_kb` together; when a sixteenth of that
 * is used they are emptied between two calls, so that a call has the rest to itself, however long its instance lives.
 *
 * A reading is a few microseconds, and is done only for calls that say that something was printed. A call that takes
 * long is read along with: not looked at again and again, but when the kernel tells that a file has grown, and then
 * not again for a while, so that one that prints in a loop costs no more than that.
 */
import { closeSync, type FSWatcher, fstatSync, ftruncateSync, openSync, readSync, statfsSync, watch } from 'node:fs';
import { Deadline } from '../lib/deadline.ts';
import { errnoOf } from '../lib/errno.ts';
import type { Printed, PrintedBefore } from './channel.ts';
import type { EngineLog, Output } from './sandbox.ts';

const STREAMS = ['stdout', 'stderr'] as const;
/** Which part of the files may be used when a call begins. */
const USED_PART_MAX = 1 / 16;
/** How long a call runs before it is read along with, and how often at most. In milliseconds. */
const LIVE_MS = 100;
const EOL = 0x0a;
/** V8's words, of its heap or of its process, and how far from the end they are looked for: a trace of the stack follows. */
const HEAP_IS_FULL = ' out of memory';
const LAST_WORDS_BYTES = 8_192;

export class OutputTap {
  readonly #fds: readonly [number, number];
  readonly #log: EngineLog;
  /** How far each stream has been read. */
  readonly #read = [0, 0];
  #bytesMax = 0;
  #tell: ((output: Output) => void) | undefined;
  #closed = false;
  /** Of the call in flight. */
  #requestId: string | undefined;
  readonly #live = new Deadline(() => this.#readAlong());
  /** What may still be told of the call in flight while it runs. */
  #liveBytesLeft = 0;
  #watchers: FSWatcher[] = [];
  #heardUpTo: NodeJS.Immediate | undefined;
  #unwatchable = false;

  constructor(stdout: number, stderr: number, log: EngineLog) {
    this.#fds = [stdout, stderr];
    this.#log = log;
  }

  /** `dirPath` holds the files under their names, as long as no code has run. Undefined if they can not be opened. */
  static open(dirPath: string, log: EngineLog): OutputTap | undefined {
    const fds: number[] = [];
    try {
      for (const stream of STREAMS) fds.push(openSync(`${dirPath}/${stream}`, 'r+'));
    } catch (error) {
      for (const fd of fds) closeSync(fd);
      // Else the sandbox is gone already, which its owner is being told.
      if (errnoOf(error) !== 'ENOENT') log('error', 'what a sandbox prints can not be read', { err: error });
      return undefined;
    }
    return new OutputTap(fds[0] as number, fds[1] as number, log);
  }

  /** From here on tells what is printed, if there is somebody to be told. */
  listen(outputKb: number, tell: ((output: Output) => void) | undefined): void {
    this.#bytesMax = outputKb * 1024;
    this.#tell = tell;
  }

  /** A call begins; one without an id loads the code, and is nobody's. */
  begin(requestId: string | undefined): void {
    this.#requestId = requestId;
    if (this.#tell === undefined) return;
    this.#liveBytesLeft = this.#bytesMax;
    this.#live.set(LIVE_MS);
  }

  /** Up to there it was printed before the call in flight. */
  printedBefore(before: PrintedBefore): void {
    if (this.#tell === undefined || this.#closed) return;
    const ends = this.#sizes();
    for (const at of [0, 1] as const) this.#take(at, undefined, Math.min(before[at], ends[at]), false);
  }

  /** The call was answered. Undefined if it printed nothing, and nothing was printed before it. */
  answered(printed: Printed | undefined): void {
    const requestId = this.#requestId;
    this.#end();
    if (printed === undefined || this.#tell === undefined || this.#closed) return;
    const cut = this.#isFull(printed[2] + printed[3]);
    for (const at of [0, 1] as const) {
      const [begun, end] = [printed[at], printed[at + 2] as number];
      // Who opens /dev/stdout as a shell's `>` does, empties it.
      if (end < (this.#read[at] as number)) this.#read[at] = 0;
      if (begun <= end) this.#take(at, undefined, begun, false);
      this.#take(at, requestId, end, cut);
    }
    this.#empty();
  }

  /** Tells the rest: of the call in flight, which has no answer, or of nobody's. */
  drain(): void {
    const requestId = this.#requestId;
    if (this.#tell === undefined || this.#closed) return;
    const ends = this.#sizes();
    const cut = this.#isFull(ends[0] + ends[1]);
    for (const at of [0, 1] as const) {
      const end = ends[at];
      if (end < (this.#read[at] as number)) this.#read[at] = 0;
      this.#take(at, requestId, end, cut);
    }
    if (requestId === undefined) this.#empty();
  }

  /** Whether Node has ended for want of memory: it says so last of all, and then ends as after any other fault. */
  saysHeapIsFull(): boolean {
    if (this.#closed) return false;
    const [, stderr] = this.#sizes();
    const start = Math.max(0, stderr - LAST_WORDS_BYTES);
    return this.#bytesOf(1, start, stderr - start).includes(HEAP_IS_FULL);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#end();
    this.#live.close();
    for (const fd of this.#fds) closeSync(fd);
  }

  #end(): void {
    this.#requestId = undefined;
    this.#live.lift();
    clearImmediate(this.#heardUpTo);
    this.#unwatch();
  }

  #take(at: 0 | 1, requestId: string | undefined, end: number, full: boolean): void {
    const start = this.#read[at] as number;
    // A file can be said to be of any length; what it holds is never more than the limit.
    const wanted = Math.min(end - start, this.#bytesMax);
    if (wanted <= 0) return;
    const bytes = this.#bytesOf(at, start, wanted);
    this.#read[at] = end;
    const cut = full || bytes.length < end - start;
    if (bytes.length > 0) this.#tell?.({ requestId, stream: STREAMS[at], bytes, cut });
  }

  #bytesOf(at: 0 | 1, start: number, wanted: number): Buffer {
    const bytes = Buffer.allocUnsafe(wanted);
    return bytes.subarray(0, readSync(this.#fds[at] as number, bytes, 0, wanted, start));
  }

  #sizes(): [number, number] {
    return this.#fds.map((fd) => fstatSync(fd).size) as [number, number];
  }

  #isFull(used: number): boolean {
    return used > this.#bytesMax / 2 && statfsSync(`/proc/self/fd/${this.#fds[0]}`).bavail === 0;
  }

  #empty(): void {
    const [out, err] = this.#read as [number, number];
    if (out + err <= this.#bytesMax * USED_PART_MAX) return;
    for (const at of [0, 1] as const) {
      ftruncateSync(this.#fds[at] as number, 0);
      this.#read[at] = 0;
    }
  }

  // -- a call that takes long -----------------------------------------------------------------------

  #readAlong(): void {
    // Watched first: what is printed after the look makes the next one.
    this.#watch();
    const ends = this.#sizes();
    // A sandbox says what was printed before the call ahead of what the call prints: when this turn of the event loop
    // has read from all sockets, that has been heard of everything up to here.
    this.#heardUpTo = setImmediate(() => this.#takeAllLines(ends));
  }

  #takeAllLines(ends: readonly [number, number]): void {
    // That it is full is told with the last of it, at the end.
    if (this.#isFull(ends[0] + ends[1])) return;
    for (const at of [0, 1] as const) this.#takeLines(at, ends[at]);
  }

  #takeLines(at: 0 | 1, end: number): void {
    const start = this.#read[at] as number;
    const wanted = Math.min(end - start, this.#liveBytesLeft);
    if (wanted <= 0) return;
    const bytes = this.#bytesOf(at, start, wanted);
    const lines = bytes.subarray(0, bytes.lastIndexOf(EOL) + 1);
    if (lines.length === 0) return;
    this.#read[at] = start + lines.length;
    this.#liveBytesLeft -= lines.length;
    this.#tell?.({ requestId: this.#requestId, stream: STREAMS[at], bytes: lines, cut: false });
  }

  #watch(): void {
    if (this.#unwatchable) return;
    try {
      for (const fd of this.#fds) {
        const watcher = watch(`/proc/self/fd/${fd}`, () => this.#grown());
        this.#watchers.push(watcher);
        watcher.on('error', (error) => this.#notWatched(error));
      }
    } catch (error) {
      this.#notWatched(error);
    }
  }

  #grown(): void {
    this.#unwatch();
    this.#live.set(LIVE_MS);
  }

  #notWatched(error: unknown): void {
    this.#unwatch();
    this.#unwatchable = true;
    this.#log('warn', 'what a call prints is told at its end: the files can not be watched', { err: error });
  }

  #unwatch(): void {
    if (this.#watchers.length === 0) return;
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }
}
