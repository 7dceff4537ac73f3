/** An answer that comes bit by bit, as an HTTP response. */
import type { ServerResponse } from 'node:http';
import { PartWriter, type PartWriterLimits } from '../http/part-writer.ts';
import type { AwaitingParts } from '../worker/invocation.ts';
import { type HttpHead, InvalidResult, streamHead } from './http-result.ts';

export interface StreamedAnswerOptions extends PartWriterLimits {
  outgoing: ServerResponse;
  /** Of every answer: names and values by turns. */
  headers: readonly string[];
}

export class StreamedAnswer implements AwaitingParts {
  readonly #outgoing: ServerResponse;
  readonly #headers: readonly string[];
  readonly #writer: PartWriter;
  #head: HttpHead | undefined;
  #fault: InvalidResult | undefined;
  #flush: NodeJS.Immediate | undefined;

  constructor({ outgoing, headers, ...limits }: StreamedAnswerOptions) {
    this.#outgoing = outgoing;
    this.#headers = headers;
    this.#writer = new PartWriter(outgoing, limits);
  }

  /** Whether there is one, and not a result all at once. */
  get begun(): boolean {
    return this.#head !== undefined || this.#fault !== undefined;
  }

  get gone(): boolean {
    return this.#writer.gone;
  }

  onGone(listener: () => void): void {
    this.#writer.onGone(listener);
  }

  head(said: Buffer): void {
    try {
      this.#head = streamHead(said);
    } catch (error) {
      if (!(error instanceof InvalidResult)) throw error;
      this.#fault = error;
      this.#writer.giveUp();
      return;
    }
    this.#writer.begin();
    // All of a short answer comes at once, and goes out in one piece; the head of a long one does not wait for it.
    this.#flush = setImmediate(() => this.#writeHead([]));
  }

  part(bytes: Buffer, goOn: () => void): boolean {
    this.#writeHead([]);
    return this.#writer.write(bytes, goOn);
  }

  /** The call has ended well: `last` is the rest of the body. Returns the status. Throws InvalidResult. */
  end(last: Buffer): number {
    if (this.#fault !== undefined) throw this.#fault;
    const { status } = this.#head as HttpHead;
    const bare = status === 204 || status === 304;
    this.#writeHead(bare ? [] : ['content-length', String(last.length)]);
    if (!this.#outgoing.destroyed) this.#outgoing.end(bare ? undefined : last);
    return status;
  }

  /** The call has failed. False if nothing of the answer has been sent, so that there can be another. */
  breakOff(): boolean {
    clearImmediate(this.#flush);
    if (!this.#outgoing.headersSent) return false;
    // What was sent must not look whole.
    this.#outgoing.destroy();
    return true;
  }

  #writeHead(more: readonly string[]): void {
    clearImmediate(this.#flush);
    if (this.#outgoing.headersSent || this.#outgoing.destroyed || this.#head === undefined) return;
    this.#outgoing.writeHead(this.#head.status, [...this.#head.headers, ...this.#headers, ...more]);
    if (more.length === 0) this.#outgoing.flushHeaders();
  }
}
