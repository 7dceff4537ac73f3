/**
 * Containers that wait for code, by what Docker can not change later: limits and network. Those with the template's
 * limits and no network always wait; others from when the first lambda asked for such a one, as long as few others do.
 */
import { countsOf, Pool } from '../pool.ts';
import type { Slot } from '../slot.ts';
import type { ContainerMaking } from './container.ts';

/** Beside the template's. One that waits takes 13 MB. */
const KINDS_MAX = 8;

export interface PoolsOptions {
  /** How many of the template's kind wait at least; of each other kind it is one, or none if this is 0. */
  size: number;
  /** How many of one kind wait at most. */
  max: number;
  /** The template's kind. */
  preset: ContainerMaking;
  /** Undefined if none can be made at the moment. */
  prepare(making: ContainerMaking): Slot | undefined;
}

export class Pools {
  readonly preset: Pool;
  readonly #options: PoolsOptions;
  readonly #presetKey: string;
  /** Those used last come last. */
  readonly #others = new Map<string, Pool>();
  /** From pools that are no more. */
  readonly #taken = { waiting: 0, unfinished: 0 };

  constructor(options: PoolsOptions) {
    const { size, max, preset, prepare } = options;
    this.#options = options;
    this.#presetKey = keyOf(preset);
    this.preset = new Pool({ size, max, prepare: () => prepare(preset) });
  }

  /** One of this kind, waiting or being made, if there is one; the next is made. */
  take(making: ContainerMaking): Slot | undefined {
    return this.#used(making).take();
  }

  /** The pool of this kind, if there is one. */
  find(making: ContainerMaking): Pool | undefined {
    const key = keyOf(making);
    return key === this.#presetKey ? this.preset : this.#others.get(key);
  }

  counts(): ReturnType<typeof countsOf> {
    return countsOf([this.preset, ...this.#others.values()], this.#taken);
  }

  /** Forgets all; their ends are the caller's to tell. */
  clear(): void {
    for (const pool of [this.preset, ...this.#others.values()]) pool.clear();
  }

  #used(making: ContainerMaking): Pool {
    const key = keyOf(making);
    if (key === this.#presetKey) return this.preset;
    const pool = this.#others.get(key) ?? this.#poolOf(making);
    this.#others.delete(key);
    this.#others.set(key, pool);
    const [oldest] = this.#others.keys();
    if (this.#others.size > KINDS_MAX && oldest !== undefined) this.#drop(oldest);
    return pool;
  }

  #poolOf(making: ContainerMaking): Pool {
    const { size, max, prepare } = this.#options;
    return new Pool({ size: Math.min(size, 1), max, prepare: () => prepare(making) });
  }

  #drop(key: string): void {
    const pool = this.#others.get(key) as Pool;
    this.#others.delete(key);
    this.#taken.waiting += pool.taken.waiting;
    this.#taken.unfinished += pool.taken.unfinished;
    pool.drain();
  }
}

function keyOf({ limits, host_network }: ContainerMaking): string {
  return JSON.stringify([host_network, ...Object.entries(limits).sort()]);
}
