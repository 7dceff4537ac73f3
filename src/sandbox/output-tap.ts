/**
 * Reads what a sandbox prints, through descriptors that were opened before any of its code ran, so that no path
 * of the handler's is ever followed. The files are memory and hold `output_kb` together; when a sixteenth of that
 * is used they are emptied between two calls, so that a call has the rest to itself, however long its instance lives.
 *
 * A reading is a few microseconds, and is done only for calls that say that something was printed.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statfsSync } from 'node:fs';
import { errnoOf } from '../lib/errno.ts';
import type { Printed } from './channel.ts';
import type { EngineLog, Output } from './sandbox.ts';

const STREAMS = ['stdout', 'stderr'] as const;
/** Which part of the files may be used when a call begins. */
const USED_PART_MAX = 1 / 16;

export class OutputTap {
  readonly #fds: readonly [number, number];
  /** How far each stream has been read. */
  readonly #read = [0, 0];
  #bytesMax = 0;
  #tell: ((output: Output) => void) | undefined;
  #closed = false;

  constructor(stdout: number, stderr: number) {
    this.#fds = [stdout, stderr];
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
    return new OutputTap(fds[0] as number, fds[1] as number);
  }

  /** From here on tells what is printed, if there is somebody to be told. */
  listen(outputKb: number, tell: ((output: Output) => void) | undefined): void {
    this.#bytesMax = outputKb * 1024;
    this.#tell = tell;
  }

  /** A call was answered that printed something, or before which something was printed. */
  answered(requestId: string | undefined, printed: Printed): void {
    if (this.#tell === undefined || this.#closed) return;
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

  /** Tells the rest: of the call in flight if one is named, else of nobody's. */
  drain(requestId: string | undefined): void {
    if (this.#tell === undefined || this.#closed) return;
    const ends = this.#fds.map((fd) => fstatSync(fd).size) as [number, number];
    const cut = this.#isFull(ends[0] + ends[1]);
    for (const at of [0, 1] as const) {
      const end = ends[at];
      if (end < (this.#read[at] as number)) this.#read[at] = 0;
      this.#take(at, requestId, end, cut);
    }
    if (requestId === undefined) this.#empty();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of this.#fds) closeSync(fd);
  }

  #take(at: 0 | 1, requestId: string | undefined, end: number, full: boolean): void {
    const start = this.#read[at] as number;
    // A file can be said to be of any length; what it holds is never more than the limit.
    const wanted = Math.min(end - start, this.#bytesMax);
    if (wanted <= 0) return;
    const bytes = Buffer.allocUnsafe(wanted);
    const length = readSync(this.#fds[at] as number, bytes, 0, wanted, start);
    this.#read[at] = end;
    const cut = full || length < end - start;
    if (length > 0) this.#tell?.({ requestId, stream: STREAMS[at], bytes: bytes.subarray(0, length), cut });
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
}
