/** How many calls a key may make in a rolling window. */

/** In milliseconds; told to clients in seconds. */
const WINDOW_MS = 900_000;

export const RATE_WINDOW_S = WINDOW_MS / 1_000;

export interface Rate {
  limit: number;
  remaining: number;
  /** Seconds after which a call will be let through; undefined if this one is. */
  retryAfterS: number | undefined;
}

/** Calls without a key are told so much, and limited to it by address where they cost something. */
export const ANONYMOUS_RATE: Rate = { limit: 1_000, remaining: 1_000, retryAfterS: undefined };

export class RateLimiter {
  readonly #nowMs: () => number;
  readonly #logs = new Map<string, RollingLog>();
  #sweptMs = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Counts a call of the key, unless it is over the limit. */
  count(accessKey: string, limit: number): Rate {
    const nowMs = this.#nowMs();
    this.#sweep(nowMs);
    let log = this.#logs.get(accessKey);
    if (log === undefined) {
      log = new RollingLog();
      this.#logs.set(accessKey, log);
    }
    log.dropUntil(nowMs - WINDOW_MS);
    if (log.count >= limit) {
      const freeMs = limit === 0 ? WINDOW_MS : log.at(log.count - limit) + WINDOW_MS - nowMs;
      return { limit, remaining: 0, retryAfterS: Math.max(1, Math.ceil(freeMs / 1_000)) };
    }
    log.add(nowMs);
    return { limit, remaining: limit - log.count, retryAfterS: undefined };
  }

  /** Keys that nobody uses any more take no memory. */
  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < WINDOW_MS) return;
    this.#sweptMs = nowMs;
    for (const [key, log] of this.#logs) {
      log.dropUntil(nowMs - WINDOW_MS);
      if (log.count === 0) this.#logs.delete(key);
    }
  }
}

/** Times in the order in which they came, as a ring that grows. */
class RollingLog {
  #times = new Float64Array(16);
  #first = 0;
  count = 0;

  /** The n-th oldest. */
  at(index: number): number {
    return this.#times[(this.#first + index) % this.#times.length] as number;
  }

  add(timeMs: number): void {
    if (this.count === this.#times.length) this.#grow();
    this.#times[(this.#first + this.count) % this.#times.length] = timeMs;
    this.count += 1;
  }

  dropUntil(timeMs: number): void {
    while (this.count > 0 && this.at(0) <= timeMs) {
      this.#first = (this.#first + 1) % this.#times.length;
      this.count -= 1;
    }
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    for (let index = 0; index < this.count; index += 1) times[index] = this.at(index);
    this.#times = times;
    this.#first = 0;
  }
}
