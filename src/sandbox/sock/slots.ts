/** All slots of a spawner: those that serve, and those that wait in a pool, of the zygote that they are made from. */

import type { Loader, LoaderEnding, LoaderSpec } from '../loader.ts';
import type { Making } from '../maker.ts';
import { countsOf, Pool } from '../pool.ts';
import type { EngineLog, EngineStats, SandboxSpec, Zygote, ZygoteEnding } from '../sandbox.ts';
import type { Slot, SlotContext } from '../slot.ts';
import { SlotTable } from '../slot-table.ts';
import { Branches } from './branches.ts';
import { KernelZygotes } from './kernel-zygotes.ts';
import { Loaders } from './loaders.ts';
import { NodePools, nodeMaking } from './node-pools.ts';
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
  /** Forks after which a zygote is followed by a fresh one. */
  zygoteForksMax: number;
  log: EngineLog;
}

type SlotEvent = SpawnerEvent & { ev: 'listening' | 'waiting' | 'started' | 'fork-ended' | 'ended' };
type Counts = Pick<EngineStats, 'poolWaiting' | 'poolTarget' | 'handedOverFromPool' | 'handedOverEmpty' | 'forks'>;

/** What waits in the pool: it suits every lambda that asks for nothing else. */
const POOLED: Making = { program: 'fork', host_network: false, branch: null };

export class Slots {
  readonly pool: Pool;
  readonly branches: Branches;
  readonly kernels: KernelZygotes;
  readonly nodePools: NodePools;
  readonly loaders: Loaders;
  readonly #table: SlotTable;

  constructor({ context, able, send, poolSize, poolMax, zygoteForksMax, log }: SlotsOptions) {
    const prepare = (making: Making) => (able() ? this.prepare(making) : undefined);
    this.pool = new Pool({ size: poolSize, max: poolMax, prepare: () => prepare(POOLED) });
    let zygotes = 0;
    const nextNumber = () => ++zygotes;
    const onRetired = (zygote: Zygote) => this.kernels.parentRetired(zygote);
    this.branches = new Branches({ send, prepare, pooled: poolSize > 0, poolMax, nextNumber, onRetired });
    const growForKernels = async (parent: Zygote | undefined): Promise<Zygote | ZygoteEnding> =>
      able() ? this.branches.growForKernels(parent) : { cause: 'lost', reason: 'there is no spawner at the moment' };
    this.kernels = new KernelZygotes({ grow: growForKernels, log });
    this.loaders = new Loaders(send, nextNumber, zygoteForksMax);
    this.nodePools = new NodePools({ prepare, poolSize, poolMax });
    this.#table = new SlotTable({ context, poolOf: (slot) => this.poolOf(slot), log });
  }

  /** Sees to it that enough wait, of those that are not a zygote's with packages. */
  tend(): void {
    this.pool.tend();
    this.nodePools.tend();
    this.kernels.tend();
  }

  prepare(making = POOLED): Slot {
    return this.#table.prepare(making);
  }

  /** One that waits, or is being made: of its loader, or this zygote, if it makes any. */
  take({ loader, kernel }: Pick<SandboxSpec, 'loader' | 'kernel'>, zygote: Zygote | undefined): Slot {
    if (loader !== undefined && this.loaders.take(loader)) return this.prepare({ ...POOLED, branch: loader.number });
    const from = kernel === undefined ? zygote : this.kernels.of(zygote);
    return (from && this.branches.take(from)) ?? this.pool.take() ?? this.prepare();
  }

  /** One in which Node waits, or is being started. */
  takeNode(heapMb: number): Slot {
    return this.nodePools.expect(heapMb).take() ?? this.prepare(nodeMaking(heapMb));
  }

  async load(spec: LoaderSpec): Promise<Loader | LoaderEnding> {
    const loaded = await this.loaders.load(spec);
    if (!('cause' in loaded)) void this.branches.measure();
    return loaded;
  }

  /** The pool that such slots are made for, if there still is one. */
  poolOf({ making }: Slot): Pool | undefined {
    if (making.heap_mb !== undefined) return making.host_network ? undefined : this.nodePools.find(making.heap_mb);
    return making.branch === null ? this.pool : this.branches.find(making.branch)?.pool;
  }

  counts(): Counts {
    const gone = {
      waiting: this.branches.taken.waiting + this.nodePools.taken.waiting,
      unfinished: this.branches.taken.unfinished + this.nodePools.taken.unfinished,
    };
    return { ...countsOf([this.pool, ...this.nodePools.all, ...this.branches.pools], gone), forks: this.#table.made };
  }

  hearOfZygote(event: SpawnerEvent & { ev: 'branch' | 'measured' }): void {
    if (event.ev === 'measured') this.loaders.measured(event.branches);
    if (event.ev === 'measured' || !this.loaders.hear(event)) this.branches.hear(event);
  }

  hear(event: SlotEvent): void {
    if (event.ev === 'fork-ended') {
      const { slot, fork, peak_bytes, cpu_us, oom } = event;
      const counts = { peakBytes: peak_bytes ?? undefined, cpuUs: cpu_us ?? undefined, oomKilled: oom ?? undefined };
      this.#table.forkEnded(slot, fork, counts);
      return;
    }
    if (event.ev !== 'ended') {
      this.#table[event.ev](event.slot);
      return;
    }
    const { ev: _ev, slot: number, peak_bytes, cpu_us, ...ending } = event;
    const charged = { peakBytes: peak_bytes ?? undefined, cpuUs: cpu_us ?? undefined };
    const slot = this.#table.ended(number, ending, charged);
    const zygote = slot?.making.branch ?? null;
    if (ending.cause === 'failed' && zygote !== null) this.loaders.failed(zygote, `${ending.step}: ${ending.reason}`);
  }

  /** The spawner is gone, and all with it. */
  lose(reason: string): void {
    this.pool.clear();
    this.nodePools.lose();
    this.branches.lose(reason);
    this.loaders.lose(reason);
    this.#table.lose(reason);
  }
}
