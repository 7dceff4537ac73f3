/** All slots of a spawner: those that serve, and those that wait in a pool, of the zygote that they are made from. */
import type { Making } from '../maker.ts';
import { Pool } from '../pool.ts';
import type { EngineLog, EngineStats, Zygote } from '../sandbox.ts';
import { Slot, type SlotContext } from '../slot.ts';
import { Branches } from './branches.ts';
import type { SpawnerEvent, SpawnerRequest } from './spawner-process.ts';

export interface SlotsOptions {
  context: SlotContext;
  send(request: SpawnerRequest): void;
  /** Whether slots can be made at the moment. */
  able(): boolean;
  /** How many of the zygote without packages wait at least. */
  poolSize: number;
  /** How many of one zygote wait at most. */
  poolMax: number;
  log: EngineLog;
}

type SlotEvent = SpawnerEvent & { ev: 'listening' | 'waiting' | 'started' | 'ended' };
type Counts = Pick<EngineStats, 'poolWaiting' | 'poolTarget' | 'handedOverFromPool' | 'handedOverEmpty' | 'forks'>;

/** What waits in the pool: it suits every lambda that asks for nothing else. */
const POOLED: Making = { fresh: false, host_network: false, branch: null };

export class Slots {
  readonly pool: Pool;
  readonly branches: Branches;
  readonly #options: SlotsOptions;
  readonly #slots = new Map<number, Slot>();
  #next = 0;
  #forks = 0;

  constructor(options: SlotsOptions) {
    this.#options = options;
    const { able, send, poolSize, poolMax } = options;
    const prepare = (making: Making) => (able() ? this.prepare(making) : undefined);
    this.pool = new Pool({ size: poolSize, max: poolMax, prepare: () => prepare(POOLED) });
    this.branches = new Branches({ send, prepare, pooled: poolSize > 0, poolMax });
  }

  prepare(making = POOLED): Slot {
    const slot = new Slot(this.#next++, this.#options.context, making);
    this.#slots.set(slot.number, slot);
    return slot;
  }

  /** One that waits, or is being made: of this zygote if it makes any. */
  take(zygote: Zygote | undefined): Slot {
    return (zygote && this.branches.take(zygote)) ?? this.pool.take() ?? this.prepare();
  }

  /** The pool of the zygote that makes such slots, if it still makes any. */
  poolOf({ making }: Slot): Pool | undefined {
    return making.branch === null ? this.pool : this.branches.find(making.branch)?.pool;
  }

  counts(): Counts {
    return { ...this.branches.counts(this.pool), forks: this.#forks };
  }

  hear(event: SlotEvent): void {
    const slot = this.#slots.get(event.slot);
    switch (event.ev) {
      case 'listening':
        this.#forks += 1;
        slot?.listening();
        break;
      case 'waiting':
        slot?.waiting();
        if (slot !== undefined) this.poolOf(slot)?.made();
        break;
      case 'started':
        slot?.handedOver();
        break;
      case 'ended':
        if (slot !== undefined) this.#ended(slot, event);
        break;
    }
  }

  /** The spawner is gone, and all with it. */
  lose(reason: string): void {
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    this.pool.clear();
    this.branches.lose(reason);
    for (const slot of slots) slot.lose(reason);
  }

  #ended(slot: Slot, { ev: _ev, slot: number, peak_bytes, cpu_us, ...ending }: SlotEvent & { ev: 'ended' }): void {
    this.#slots.delete(number);
    slot.gone(ending, { peakBytes: peak_bytes ?? undefined, cpuUs: cpu_us ?? undefined });
    const failed = ending.cause === 'failed';
    if (failed) {
      const { step, reason } = ending;
      this.#options.log('error', 'a sandbox could not be made', { step, reason });
    }
    this.poolOf(slot)?.ended(slot, failed);
  }
}
