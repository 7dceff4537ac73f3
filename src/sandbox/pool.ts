/**
 * Slots that wait for code, made ahead so that an instance is a hand-over and not a fork.
 *
 * Making them takes the same cores as the calls do. So what has been taken is made again when nobody has taken one for
 * a moment, or when few of several are left, two at a time: the spawner has one hand, and a hand-over waits behind what it does.
 */
import { demandAfterOne, NO_DEMAND, wantedWaiting } from './demand.ts';
import type { EngineStats } from './sandbox.ts';
import type { Slot } from './slot.ts';

/** A lambda's cold start is over by then. */
const QUIET_MS = 5;
/** Below this part of those that should wait the next are made at once. */
const LOW_PART = 1 / 4;
const MAKING_MAX = 2;
/** How often those that are too many are looked for, and how many go at a time. */
const SHRINK_MS = 2_000;
const SHRINK_MAX = 8;

export interface PoolOptions {
  /** How many wait at least; 0 for no pool. */
  size: number;
  /** How many wait at most, however many were asked for of late. */
  max: number;
  /** How long a moment is, in milliseconds; as long as a lambda's cold start, unless it says so. */
  quietMs?: number | undefined;
  /** Makes one more slot, whose end must be told to `ended`; undefined if none can be made at the moment. */
  prepare(): Slot | undefined;
}

export class Pool {
  readonly #options: PoolOptions;
  #slots: Slot[] = [];
  /** Slots that failed since one was made. */
  #failures = 0;
  #demand = NO_DEMAND;
  #takenMs = 0;
  #quiet: NodeJS.Timeout | undefined;
  #shrinking: NodeJS.Timeout | undefined;
  /** Counts of slots that were taken while they waited, and of all others. */
  readonly taken = { waiting: 0, unfinished: 0 };

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Slots that wait for code. */
  get waiting(): number {
    return this.#slots.filter((slot) => slot.state === 'waiting').length;
  }

  /** How many should wait. A machine on which sandboxes fail is not asked again and again; the next call is the next try. */
  get target(): number {
    const { size: min, max } = this.#options;
    return this.#failures > 0 ? Math.min(1, min) : wantedWaiting(this.#demand, performance.now(), { min, max });
  }

  /** The one that would be taken. */
  get next(): Slot | undefined {
    return this.#slots.find((slot) => slot.state === 'waiting') ?? this.#slots[0];
  }

  /** One that waits if there is one, else one that is being made. It is the caller's. */
  take(): Slot | undefined {
    const waiting = this.#slots.findIndex((slot) => slot.state === 'waiting');
    this.taken[waiting === -1 ? 'unfinished' : 'waiting'] += 1;
    const [slot] = this.#slots.splice(Math.max(waiting, 0), 1);
    this.#takenMs = performance.now();
    this.#demand = demandAfterOne(this.#demand, this.#takenMs, waiting !== -1);
    return slot;
  }

  /** Puts in one that has just been made. */
  add(slot: Slot): void {
    this.#slots.push(slot);
  }

  /** Sees to it that enough wait, now if few are left or nobody takes one, else soon. */
  tend(): void {
    const target = this.target;
    if (this.#slots.length > this.#options.size) this.#shrinkLater();
    if (this.#slots.length >= target) return;
    const quietInMs = this.#takenMs + (this.#options.quietMs ?? QUIET_MS) - performance.now();
    // Where one waits, each hand-over leaves none: who comes then has his own made, and it is no reason to hurry.
    const areFewLeft = target > 1 && this.#slots.length <= target * LOW_PART;
    if (quietInMs <= 0 || areFewLeft) this.#refill(target);
    else this.#tendLater(quietInMs);
  }

  /** A slot, of the pool or not, waits for code. */
  made(): void {
    this.#failures = 0;
    this.tend();
  }

  /** A slot, of the pool or not, is no more. `failed` says that it could not be made. */
  ended(slot: Slot, failed: boolean): void {
    if (failed) this.#failures += 1;
    const index = this.#slots.indexOf(slot);
    if (index === -1) return;
    this.#slots.splice(index, 1);
    if (!failed) this.tend();
  }

  /** Ends those that wait or are being made, and forgets them. */
  drain(): void {
    const slots = this.#slots;
    this.clear();
    for (const slot of slots) void slot.destroy();
  }

  /** Forgets all; their ends are the caller's to tell. */
  clear(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#shrinking);
    this.#quiet = this.#shrinking = undefined;
    this.#slots = [];
  }

  #refill(target: number): void {
    let making = this.#slots.length - this.waiting;
    for (; this.#slots.length < target && making < MAKING_MAX; making += 1) {
      const slot = this.#options.prepare();
      if (slot === undefined) return;
      this.#slots.push(slot);
    }
  }

  #tendLater(inMs: number): void {
    this.#quiet ??= setTimeout(() => {
      this.#quiet = undefined;
      this.tend();
    }, Math.ceil(inMs));
  }

  /** What a burst needed is given back bit by bit once it is not expected again. */
  #shrinkLater(): void {
    this.#shrinking ??= setTimeout(() => {
      this.#shrinking = undefined;
      const surplus = Math.min(this.waiting, this.#slots.length - this.target, SHRINK_MAX);
      const oldest = this.#slots.filter((slot) => slot.state === 'waiting').slice(0, Math.max(0, surplus));
      this.#slots = this.#slots.filter((slot) => !oldest.includes(slot));
      for (const slot of oldest) void slot.destroy();
      this.tend();
    }, SHRINK_MS);
  }
}

type PoolCounts = Pick<EngineStats, 'poolWaiting' | 'poolTarget' | 'handedOverFromPool' | 'handedOverEmpty'>;

/** Of all of them together; `gone` was taken from pools that are no more. */
export function countsOf(pools: readonly Pool[], gone: Pool['taken']): PoolCounts {
  const sum = (count: (pool: Pool) => number) => pools.reduce((total, pool) => total + count(pool), 0);
  return {
    poolWaiting: sum((pool) => pool.waiting),
    poolTarget: sum((pool) => pool.target),
    handedOverFromPool: gone.waiting + sum((pool) => pool.taken.waiting),
    handedOverEmpty: gone.unfinished + sum((pool) => pool.taken.unfinished),
  };
}
