/** Slots that wait for code, made ahead so that an instance is a hand-over and not a fork. */
import type { Slot } from './slot.ts';

export interface PoolOptions {
  /** How many wait when nothing is amiss. */
  size: number;
  /** Makes one more slot, whose end must be told to `ended`. */
  prepare(): Slot;
}

export class Pool {
  readonly #options: PoolOptions;
  #slots: Slot[] = [];
  /** Slots that failed since one was made. */
  #failures = 0;
  /** Counts of slots that were taken while they waited, and of all others. */
  readonly taken = { waiting: 0, unfinished: 0 };

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#slots.length === 0;
  }

  /** Slots that wait for code. */
  get waiting(): number {
    return this.#slots.filter((slot) => slot.state === 'waiting').length;
  }

  /** How many should wait. A machine on which sandboxes fail is not asked again and again; the next call is the next try. */
  get target(): number {
    return this.#failures > 0 ? Math.min(1, this.#options.size) : this.#options.size;
  }

  /** One that waits if there is one, else one that is being made, else a new one. It is the caller's. */
  take(): Slot {
    const waiting = this.#slots.findIndex((slot) => slot.state === 'waiting');
    this.taken[waiting === -1 ? 'unfinished' : 'waiting'] += 1;
    const [slot] = this.#slots.splice(Math.max(waiting, 0), 1);
    return slot ?? this.#options.prepare();
  }

  /** Makes one and waits for it: ready means that a sandbox has been made, not that one might be. */
  async proveOne(): Promise<void> {
    const slot = this.#options.prepare();
    await slot.made;
    if (this.#options.size > 0) this.#slots.push(slot);
    else await slot.destroy();
  }

  /** Off the path of a call: after its answer, or when nothing waits any more. */
  replenish(): void {
    while (this.#slots.length < this.target) this.#slots.push(this.#options.prepare());
  }

  /** A slot, of the pool or not, waits for code. */
  made(): void {
    this.#failures = 0;
  }

  /** A slot, of the pool or not, is no more. `failed` says that it could not be made. True if one is missing now. */
  ended(slot: Slot, failed: boolean): boolean {
    if (failed) this.#failures += 1;
    const index = this.#slots.indexOf(slot);
    if (index === -1) return false;
    this.#slots.splice(index, 1);
    return !failed;
  }

  /** Forgets all; their ends are the caller's to tell. */
  clear(): void {
    this.#slots = [];
  }
}
