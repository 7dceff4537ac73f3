/**
 * An answer that comes bit by bit, written as it comes. No faster than it is read: what is not read stays in the
 * sandbox, which waits. If nobody reads for a long time, or it is too much, the connection is cut, and the call ends.
 */
import type { ServerResponse } from 'node:http';
import type { AwaitingParts } from '../worker/invocation.ts';
import { type HttpHead, InvalidResult, streamHead } from './http-result.ts';
import { STREAM_BYTES_MAX, STREAM_STALL_MS } from './limits.ts';

export interface StreamedAnswerOptions {
  outgoing: ServerResponse;
  /** Of every answer: names and values by turns. */
  headers: readonly string[];
  bytesMax?: number;
  stallMs?: number;
}

export class StreamedAnswer implements AwaitingParts {
  readonly #options: StreamedAnswerOptions;
  #head: HttpHead | undefined;
  #fault: InvalidResult | undefined;
  #bytes = 0;
  #flush: NodeJS.Immediate | undefined;
  #stall: NodeJS.Timeout | undefined;
  readonly #onGone: (() => void)[] = [];

  constructor(options: StreamedAnswerOptions) {
    this.#options = options;
  }

  /** Whether there is one, and not a result all at once. */
  get begun(): boolean {
    return this.#head !== undefined || this.#fault !== undefined;
  }

  /** Nobody waits for more of it. */
  get gone(): boolean {
    return this.begun && (this.#options.outgoing.destroyed || this.#fault !== undefined);
  }

  onGone(listener: () => void): void {
    this.#onGone.push(listener);
  }

  head(said: Buffer): void {
    try {
      this.#head = streamHead(said);
    } catch (error) {
      if (!(error instanceof InvalidResult)) throw error;
      this.#fault = error;
      this.#tellGone();
      return;
    }
    const { outgoing } = this.#options;
    outgoing.once('close', () => this.#tellGone());
    if (outgoing.destroyed) this.#tellGone();
    // All of a short answer comes at once, and goes out in one piece; the head of a long one does not wait for it.
    else this.#flush = setImmediate(() => this.#writeHead([]));
  }

  part(bytes: Buffer, goOn: () => void): boolean {
    const { outgoing, bytesMax = STREAM_BYTES_MAX, stallMs = STREAM_STALL_MS } = this.#options;
    if (this.#head === undefined || outgoing.destroyed) return true;
    this.#bytes += bytes.length;
    if (this.#bytes > bytesMax) {
      outgoing.destroy();
      return true;
    }
    this.#writeHead([]);
    if (outgoing.write(bytes)) return true;
    clearTimeout(this.#stall);
    this.#stall = setTimeout(() => outgoing.destroy(), stallMs);
    outgoing.once('drain', () => {
      clearTimeout(this.#stall);
      goOn();
    });
    return false;
  }

  /** The call has ended well: `last` is the rest of the body. Returns the status. Throws InvalidResult. */
  end(last: Buffer): number {
    if (this.#fault !== undefined) throw this.#fault;
    const { outgoing } = this.#options;
    const { status } = this.#head as HttpHead;
    if (outgoing.destroyed) return status;
    const bare = status === 204 || status === 304;
    this.#writeHead(bare ? [] : ['content-length', String(last.length)]);
    outgoing.end(bare ? undefined : last);
    return status;
  }

  /** The call has failed. False if nothing of the answer has been sent, so that there can be another. */
  breakOff(): boolean {
    clearImmediate(this.#flush);
    if (!this.#options.outgoing.headersSent) return false;
    // What was sent must not look whole.
    this.#options.outgoing.destroy();
    return true;
  }

  #writeHead(more: readonly string[]): void {
    clearImmediate(this.#flush);
    const { outgoing, headers } = this.#options;
    if (outgoing.headersSent || outgoing.destroyed || this.#head === undefined) return;
    outgoing.writeHead(this.#head.status, [...this.#head.headers, ...headers, ...more]);
    if (more.length === 0) outgoing.flushHeaders();
  }

  #tellGone(): void {
    clearImmediate(this.#flush);
    clearTimeout(this.#stall);
    for (const listener of this.#onGone.splice(0)) listener();
  }
}
