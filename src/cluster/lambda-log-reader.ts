/**
 * The entries that workers have written: the newest ones of all workers in their order, and those that come.
 *
 * A place is kept in each worker's series of files. Files are only appended to, and only the newest is: whoever has
 * read one to its end goes on with the next. A file that went, or is another one under the same number, was deleted.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { type LogEntry, lambdaLogFiles, parseEntry, unfolded, workerOfLogFile } from './lambda-log.ts';

/** An entry with the worker that wrote it. */
export type WorkerEntry = LogEntry & { worker: string };

export interface LogWish {
  /** Of this lambda only. */
  lambda: string | undefined;
  /** Unix time in milliseconds; nothing that is older. */
  sinceMs: number | undefined;
  /** The most entries of those that there are already: the newest. */
  last: number;
}

interface Place {
  number: number;
  inode: number;
  /** How much of it has been read. */
  bytes: number;
}

interface Piece {
  inode: number;
  /** Whole lines. */
  lines: Buffer;
}

const EOL = 0x0a;

export class LambdaLogReader {
  readonly #logsDir: string;
  readonly #wish: LogWish;
  readonly #places = new Map<string, Place>();

  constructor(logsDir: string, wish: LogWish) {
    this.#logsDir = logsDir;
    this.#wish = wish;
  }

  /** The newest entries that are wished for, oldest first; what is written from now on is news. Throws Failure. */
  past(): WorkerEntry[] {
    const entries = merge(this.#workers().map((worker) => this.#pastOf(worker)));
    return entries.slice(Math.max(0, entries.length - this.#wish.last));
  }

  /** What was written since the last time. Throws Failure `cluster-missing` if the directory has gone. */
  news(): WorkerEntry[] {
    return merge(this.#workers().map((worker) => this.#newsOf(worker)));
  }

  #workers(): string[] {
    const names = namesIn(this.#logsDir).map(workerOfLogFile);
    return [...new Set(names.filter((name) => name !== undefined))].sort();
  }

  /** From the newest file backwards, as far as is wished for. */
  #pastOf(worker: string): WorkerEntry[] {
    const files = lambdaLogFiles(this.#logsDir, worker);
    const found: WorkerEntry[] = [];
    for (const number of files.list().reverse()) {
      const piece = linesOf(files.path(number), 0);
      if (piece === undefined) continue;
      const { inode, lines } = piece;
      if (!this.#places.has(worker)) this.#places.set(worker, { number, inode, bytes: lines.length });
      if (!this.#collect(lines, worker, found)) break;
    }
    return found.reverse();
  }

  /** Last line first; false when there is no need to look at what is older. */
  #collect(lines: Buffer, worker: string, found: WorkerEntry[]): boolean {
    for (let end = lines.length - 1; end > 0; ) {
      const eol = lines.lastIndexOf(EOL, end - 1);
      const entry = parseEntry(lines.toString('utf8', eol + 1, end));
      end = eol;
      if (entry === undefined) continue;
      if (this.#isTooOld(entry)) return false;
      if (!this.#isWanted(entry)) continue;
      const shown = unfolded(entry).filter((one) => !this.#isTooOld(one));
      found.push(...shown.reverse().map((one) => ({ worker, ...one })));
      if (found.length >= this.#wish.last) return false;
    }
    return true;
  }

  #newsOf(worker: string): WorkerEntry[] {
    const files = lambdaLogFiles(this.#logsDir, worker);
    const numbers = files.list();
    const found: WorkerEntry[] = [];
    let place = this.#places.get(worker) ?? { number: 0, inode: 0, bytes: 0 };
    // Somebody has deleted all of them, and the worker has begun anew.
    if (place.number > (numbers.at(-1) ?? 0)) place = { number: 0, inode: 0, bytes: 0 };
    for (const number of numbers.filter((one) => one >= place.number)) {
      const known = number === place.number ? place : { inode: undefined, bytes: 0 };
      const piece = linesOf(files.path(number), known.bytes, known.inode);
      if (piece === undefined) continue;
      const { inode, lines } = piece;
      place = { number, inode, bytes: (known.inode === inode ? known.bytes : 0) + lines.length };
      for (const line of lines.toString('utf8').split('\n')) {
        const entry = line === '' ? undefined : parseEntry(line);
        if (entry === undefined || !this.#isWanted(entry)) continue;
        found.push(...unfolded(entry).map((one) => ({ worker, ...one })));
      }
    }
    this.#places.set(worker, place);
    return found;
  }

  #isWanted({ lambda }: LogEntry): boolean {
    return this.#wish.lambda === undefined || lambda === this.#wish.lambda;
  }

  #isTooOld({ time }: LogEntry): boolean {
    return this.#wish.sinceMs !== undefined && Date.parse(time) < this.#wish.sinceMs;
  }
}

/** The whole lines of a file from a place on; from its begin if it is not the file of that inode. Undefined if it has gone. */
function linesOf(path: string, fromBytes: number, inode?: number): Piece | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
  try {
    const stats = fstatSync(fd);
    const start = inode === undefined || inode === stats.ino ? fromBytes : 0;
    const bytes = Buffer.allocUnsafe(Math.max(0, stats.size - start));
    const length = readSync(fd, bytes, 0, bytes.length, start);
    return { inode: stats.ino, lines: bytes.subarray(0, bytes.subarray(0, length).lastIndexOf(EOL) + 1) };
  } finally {
    closeSync(fd);
  }
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new Failure('cluster-missing', `${dir} is not there any more`);
    throw unreadable(dir, error);
  }
}

function unreadable(path: string, error: unknown): Failure {
  return new Failure('config-invalid', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
}

/** By time, but each worker's own in the order in which they were written. */
function merge(series: readonly WorkerEntry[][]): WorkerEntry[] {
  if (series.length === 1) return series[0] as WorkerEntry[];
  const merged: WorkerEntry[] = [];
  const at = series.map(() => 0);
  for (;;) {
    let next = -1;
    for (const [index, entries] of series.entries()) {
      const head = entries[at[index] as number];
      if (head === undefined) continue;
      if (next === -1 || head.time < (series[next]?.[at[next] as number]?.time ?? '')) next = index;
    }
    if (next === -1) return merged;
    merged.push(series[next]?.[at[next] as number] as WorkerEntry);
    at[next] = (at[next] as number) + 1;
  }
}
