/**
 * Makes snapshots before anybody asks: a first request then finds its code copied, which is half of a
 * cold start. One lambda at a time, a moment after its last change, and none beyond a limit, so that
 * a large registry or a program that keeps writing costs little.
 */
import { PREFETCH_LAMBDAS_MAX, PREFETCH_QUIET_MS } from './limits.ts';
import type { LambdaName } from './source.ts';

export class Prefetch {
  /** Must not reject: what is wrong with the code is for the request to find. */
  readonly #load: (lambda: LambdaName) => Promise<void>;
  readonly #waiting = new Set<LambdaName>();
  readonly #known = new Set<LambdaName>();
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #closed = false;

  constructor(load: (lambda: LambdaName) => Promise<void>) {
    this.#load = load;
  }

  /** The lambda is there, or has changed. */
  soon(lambda: LambdaName): void {
    if (this.#closed || (!this.#known.has(lambda) && this.#known.size >= PREFETCH_LAMBDAS_MAX)) return;
    this.#known.add(lambda);
    this.#waiting.add(lambda);
    // Every further change puts it off: an editor or a `cp -r` is still at work.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), PREFETCH_QUIET_MS).unref();
  }

  forget(lambda: LambdaName): void {
    this.#known.delete(lambda);
    this.#waiting.delete(lambda);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (const lambda of this.#waiting) {
      this.#waiting.delete(lambda);
      await this.#load(lambda);
    }
    this.#running = false;
  }
}
