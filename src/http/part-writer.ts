/**
 * Writes an answer that comes bit by bit, no faster than it is read. If nobody reads for a long time, or it is too much,
 * the connection is cut, as if its reader had gone.
 */
import type { ServerResponse } from 'node:http';
import { STREAM_BYTES_MAX, STREAM_STALL_MS } from './limits.ts';

export interface PartWriterLimits {
  bytesMax?: number;
  stallMs?: number;
}

export class PartWriter {
  readonly #outgoing: ServerResponse;
  readonly #bytesMax: number;
  readonly #stallMs: number;
  #bytes = 0;
  #stall: NodeJS.Timeout | undefined;
  #over = false;
  readonly #onGone: (() => void)[] = [];

  constructor(
    outgoing: ServerResponse,
    { bytesMax = STREAM_BYTES_MAX, stallMs = STREAM_STALL_MS }: PartWriterLimits = {},
  ) {
    this.#outgoing = outgoing;
    this.#bytesMax = bytesMax;
    this.#stallMs = stallMs;
  }

  /** Whether nobody waits for more of it. False until `begin`. */
  get gone(): boolean {
    return this.#over;
  }

  /** Calls the listener when that is so; also, harmlessly, when all has been read. */
  onGone(listener: () => void): void {
    this.#onGone.push(listener);
  }

  /** From now on it matters whether somebody reads. */
  begin(): void {
    this.#outgoing.once('close', () => this.giveUp());
    if (this.#outgoing.destroyed) this.giveUp();
  }

  /** There will be nothing more that anybody could read. */
  giveUp(): void {
    this.#over = true;
    clearTimeout(this.#stall);
    for (const listener of this.#onGone.splice(0)) listener();
  }

  /** False if that is enough until `goOn` is called. */
  write(bytes: Buffer, goOn: () => void): boolean {
    if (this.#over) return true;
    this.#bytes += bytes.length;
    if (this.#bytes > this.#bytesMax) {
      this.#outgoing.destroy();
      return true;
    }
    if (this.#outgoing.write(bytes)) return true;
    clearTimeout(this.#stall);
    this.#stall = setTimeout(() => this.#outgoing.destroy(), this.#stallMs);
    this.#outgoing.once('drain', () => {
      clearTimeout(this.#stall);
      goOn();
    });
    return false;
  }
}
