/** Those who wait for the next change of any lambda. */
import { CHANGES_WAITING_MAX } from './limits.ts';
import { S3Error } from './s3-error.ts';

export class ChangeFeed {
  readonly #lastSeq: () => number;
  readonly #waiting = new Set<() => void>();
  #told: number;
  #closed = false;

  constructor(lastSeq: () => number) {
    this.#lastSeq = lastSeq;
    this.#told = lastSeq();
  }

  /** After each commit. */
  committed(): void {
    const seq = this.#lastSeq();
    if (seq === this.#told) return;
    this.#told = seq;
    this.#wakeAll();
  }

  /** Resolves with the next change, after `waitMs`, when the signal says that nobody waits any more, or at the end. */
  next(waitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted) return Promise.resolve();
    if (this.#waiting.size >= CHANGES_WAITING_MAX) {
      throw new S3Error('ServiceUnavailable', `${CHANGES_WAITING_MAX} clients wait for changes already.`);
    }
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, waitMs);
      signal.addEventListener('abort', wake);
      this.#waiting.add(wake);
    });
  }

  close(): void {
    this.#closed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
