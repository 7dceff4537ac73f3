/** Looked back at least this far, and at most twice as far. */
const WINDOW_MS = 10_000;

/** The most that went on at the same time lately. Costs one look at the clock per beginning. */
export class RecentPeak {
  #now = 0;
  #peak = 0;
  #peakBefore = 0;
  #windowEndMs = 0;

  begin(): void {
    this.#now += 1;
    this.#roll(performance.now());
    if (this.#now > this.#peak) this.#peak = this.#now;
  }

  end(): void {
    this.#now -= 1;
  }

  value(): number {
    this.#roll(performance.now());
    return Math.max(this.#peak, this.#peakBefore);
  }

  #roll(nowMs: number): void {
    if (nowMs < this.#windowEndMs) return;
    // What is still going on belongs to the window that begins, too.
    this.#peakBefore = nowMs < this.#windowEndMs + WINDOW_MS ? this.#peak : this.#now;
    this.#peak = this.#now;
    this.#windowEndMs = nowMs + WINDOW_MS;
  }
}
