import type { ServerResponse } from 'node:http';

/**
 * Whoever waits for an answer, and may go away. Not an AbortSignal: making one for each call that
 * waits for an instance costs ten times this, and under load most calls wait a little.
 */
export class Caller {
  readonly #outgoing: ServerResponse;

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing;
  }

  /** Whether the request came while an earlier one of the same connection was still unanswered. */
  get pipelined(): boolean {
    return this.#outgoing.socket === null;
  }

  get gone(): boolean {
    return this.#outgoing.destroyed;
  }

  /** Calls the listener when the caller goes away, or has been answered. */
  onGone(listener: () => void): void {
    this.#outgoing.once('close', listener);
  }
}
