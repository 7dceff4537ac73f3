/**
 * A time limit that is set again and again and rarely comes: setting and lifting it are assignments. The timer
 * behind it stays armed, and when it finds that the limit has moved, it is armed anew for the rest.
 */
export class Deadline {
  readonly #onDue: () => void;
  /** Monotonic; Infinity while there is no limit. */
  #dueMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #firesMs = Number.POSITIVE_INFINITY;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** From now on the limit is `inMs` from now, and no other. */
  set(inMs: number): void {
    this.#dueMs = performance.now() + inMs;
    if (this.#dueMs < this.#firesMs) this.#arm(inMs);
  }

  /** There is no limit any more. The timer may fire once for nothing. */
  lift(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  /** Lifts it for good: no timer is left. */
  close(): void {
    this.lift();
    clearTimeout(this.#timer);
  }

  #arm(inMs: number): void {
    clearTimeout(this.#timer);
    this.#firesMs = performance.now() + inMs;
    this.#timer = setTimeout(() => this.#fire(), inMs);
  }

  #fire(): void {
    this.#firesMs = Number.POSITIVE_INFINITY;
    if (this.#dueMs === Number.POSITIVE_INFINITY) return;
    // Timers count whole milliseconds, and may be early by a part of one.
    const restMs = this.#dueMs - performance.now();
    if (restMs >= 1) {
      this.#arm(restMs);
      return;
    }
    this.lift();
    this.#onDue();
  }
}
