/**
 * Sandboxes in which Node waits for code: started ahead, because it takes twenty times as long to start as a fork.
 *
 * How large its heap may become is settled when it starts, so those that wait are told apart by that. There are none
 * until a lambda has asked for one or is expected to, and a while after the last one that did they are given back: each
 * is a process with 15 MB of its own.
 */
import { Deadline } from '../../lib/deadline.ts';
import type { Making } from '../maker.ts';
import { Pool } from '../pool.ts';
import type { Slot } from '../slot.ts';

/** Sizes that are kept at the same time: a lambda of another one takes the place of the one that was used longest ago. */
const SIZES_MAX = 8;
/** How long they wait for nobody. */
const KEPT_MS = 600_000;
/** Of each size: a second one for whoever comes while another is made in place of the first. */
const WAITING_MIN = 2;

export function nodeMaking(heapMb: number, hostNetwork = false): Making {
  return { program: 'node', heap_mb: heapMb, host_network: hostNetwork, branch: null };
}

export interface NodePoolsOptions {
  /** Undefined if none can be made at the moment. */
  prepare(making: Making): Slot | undefined;
  /** How many wait of those that are no more than a fork; 0 for none. */
  poolSize: number;
  poolMax: number;
}

interface Kept {
  pool: Pool;
  unused: Deadline;
}

export class NodePools {
  readonly #options: NodePoolsOptions;
  /** By what their heap may hold, in MiB. */
  readonly #kept = new Map<number, Kept>();
  /** From pools that are no more. */
  readonly taken = { waiting: 0, unfinished: 0 };

  constructor(options: NodePoolsOptions) {
    this.#options = options;
  }

  get all(): Pool[] {
    return [...this.#kept.values()].map(({ pool }) => pool);
  }

  /** Somebody will ask for one, or has: some wait from now on. */
  expect(heapMb: number): Pool {
    const kept = this.#kept.get(heapMb) ?? this.#begin(heapMb);
    kept.unused.set(KEPT_MS);
    // The one used last comes last.
    this.#kept.delete(heapMb);
    this.#kept.set(heapMb, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > SIZES_MAX && oldest !== undefined) this.#end(oldest);
    return kept.pool;
  }

  find(heapMb: number): Pool | undefined {
    return this.#kept.get(heapMb)?.pool;
  }

  tend(): void {
    for (const pool of this.all) pool.tend();
  }

  /** The spawner is gone, and with it all that waited; `tend` has them made again once there is another. */
  lose(): void {
    for (const pool of this.all) pool.clear();
  }

  close(): void {
    for (const { unused } of this.#kept.values()) unused.close();
  }

  #begin(heapMb: number): Kept {
    const { prepare, poolSize, poolMax } = this.#options;
    const size = Math.min(WAITING_MIN, poolSize);
    const pool = new Pool({ size, max: poolMax, prepare: () => prepare(nodeMaking(heapMb)) });
    return { pool, unused: new Deadline(() => this.#end(heapMb)) };
  }

  #end(heapMb: number): void {
    const kept = this.#kept.get(heapMb);
    if (kept === undefined) return;
    this.#kept.delete(heapMb);
    kept.unused.close();
    this.taken.waiting += kept.pool.taken.waiting;
    this.taken.unfinished += kept.pool.taken.unfinished;
    kept.pool.drain();
  }
}
