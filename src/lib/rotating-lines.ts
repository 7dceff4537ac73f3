/**
 * Lines that are appended to numbered files, in batches: no write for each line, and none that anybody waits for.
 * When a file is full the next one is begun and the oldest goes, so that nobody who reads along has to follow a
 * file that changes its name. What can not be written is lost after it was told once, and the lines go on.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { NumberedFiles } from './numbered-files.ts';

export interface RotatingLinesOptions {
  files: NumberedFiles;
  fileBytesMax: number;
  filesMax: number;
  /** What may wait to be written, in bytes as their writers estimate them; beyond that, lines are lost. */
  waitingBytesMax: number;
  /** Told why lines begin to be lost, and how many were when they are written again. */
  onTrouble: (trouble: { error: unknown } | { lost: number }) => void;
}

/** Adds the lines when they are written; each ends with an end of line. */
export type AddLines = (lines: string[]) => void;

const BATCH_MS = 25;
/** What waits is written earlier if it is this much. */
const BATCH_BYTES = 1 << 20;
const EOL = 0x0a;

interface Waiting {
  bytes: number;
  add: AddLines;
}

interface Current {
  number: number;
  file: FileHandle;
  bytes: number;
  /** It ends in the middle of a line, by a writer that died or a disk that was full. */
  torn: boolean;
}

export class RotatingLines {
  readonly #options: RotatingLinesOptions;
  #current: Current | undefined;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The last write that was begun. */
  #writing: Promise<void> = Promise.resolve();
  #lost = 0;

  constructor(options: RotatingLinesOptions) {
    this.#options = options;
  }

  append(bytes: number, add: AddLines): void {
    if (this.#waitingBytes + bytes > this.#options.waitingBytesMax) {
      this.#lose(1, new Error(`${this.#waitingBytes} bytes wait to be written: the disk is too slow`));
      return;
    }
    this.#waiting.push({ bytes, add });
    this.#waitingBytes += bytes;
    if (this.#waitingBytes >= BATCH_BYTES) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), BATCH_MS);
  }

  /** Resolves when all that was appended before is written, or lost. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writeWaiting());
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#current?.file.close();
    this.#current = undefined;
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#takeBatch();
      let written = 0;
      try {
        while (written < lines.length) written += await this.#writeSome(lines, written);
      } catch (error) {
        if (this.#current !== undefined) this.#current.torn = true;
        this.#lose(lines.length - written, error);
        continue;
      }
      if (this.#lost > 0) this.#recovered();
    }
  }

  /** Not everything at once: it may be much larger when it is made. */
  #takeBatch(): string[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && bytes < BATCH_BYTES) {
      bytes += (this.#waiting[count] as Waiting).bytes;
      count += 1;
    }
    this.#waitingBytes -= bytes;
    const lines: string[] = [];
    for (const { add } of this.#waiting.splice(0, count)) add(lines);
    return lines;
  }

  /** From the one at `from` on as many as fit into one file, at least one; their count. */
  async #writeSome(lines: readonly string[], from: number): Promise<number> {
    const { fileBytesMax } = this.#options;
    let current = await this.#open();
    const all = Buffer.from((current.torn ? '\n' : '') + (from === 0 ? lines : lines.slice(from)).join(''));
    if (current.bytes + all.length <= fileBytesMax) {
      await this.#write(current, all);
      current.torn = false;
      return lines.length - from;
    }
    const first = Buffer.byteLength(lines[from] as string);
    if (current.bytes > 0 && current.bytes + 1 + first > fileBytesMax) current = await this.#next(current);
    const room = fileBytesMax - current.bytes - 1;
    let bytes = first;
    let end = from + 1;
    for (; end < lines.length; end += 1) {
      const more = Buffer.byteLength(lines[end] as string);
      if (bytes + more > room) break;
      bytes += more;
    }
    await this.#write(current, Buffer.from((current.torn ? '\n' : '') + lines.slice(from, end).join('')));
    current.torn = false;
    return end - from;
  }

  async #write(current: Current, data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; ) {
      const { bytesWritten } = await current.file.write(data, at);
      at += bytesWritten;
      current.bytes += bytesWritten;
    }
  }

  /** The newest file; a fresh one if somebody has deleted it. */
  async #open(): Promise<Current> {
    const { files } = this.#options;
    if (this.#current !== undefined) {
      if ((await this.#current.file.stat()).nlink > 0) return this.#current;
      await this.#drop(this.#current);
    }
    return this.#begin(files.list().at(-1) ?? 1);
  }

  async #next(current: Current): Promise<Current> {
    const { files, filesMax } = this.#options;
    await this.#drop(current);
    const next = await this.#begin(current.number + 1);
    const old = files.list().filter((number) => number <= next.number - filesMax);
    for (const number of old) await rm(files.path(number), { force: true });
    return next;
  }

  async #begin(number: number): Promise<Current> {
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    const file = await open(this.#options.files.path(number), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const bytes = (await file.stat()).size;
      const torn = bytes > 0 && (await file.read(Buffer.alloc(1), 0, 1, bytes - 1)).buffer[0] !== EOL;
      this.#current = { number, file, bytes, torn };
      return this.#current;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #drop(current: Current): Promise<void> {
    this.#current = undefined;
    await current.file.close();
  }

  #lose(count: number, error: unknown): void {
    if (this.#lost === 0) this.#options.onTrouble({ error });
    this.#lost += count;
  }

  #recovered(): void {
    this.#options.onTrouble({ lost: this.#lost });
    this.#lost = 0;
  }
}
