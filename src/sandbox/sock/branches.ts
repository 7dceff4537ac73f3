/** The worker's view of the zygotes with packages: what each has imported, and the sandboxes of it that wait for code. */

import { parseImports } from '../imports.ts';
import type { Making } from '../maker.ts';
import { Pool } from '../pool.ts';
import type { Imports, Zygote, ZygoteEnding, ZygoteSpec } from '../sandbox.ts';
import type { Slot } from '../slot.ts';
import type { Growing, SpawnerEvent, SpawnerRequest } from './spawner-process.ts';

export interface BranchesOptions {
  send(request: SpawnerRequest): void;
  /** Undefined if none can be made at the moment. */
  prepare(making: Making): Slot | undefined;
  /** Whether sandboxes wait for code at all. */
  pooled: boolean;
  /** How many of one zygote wait at most. */
  poolMax: number;
  /** Of zygotes that the worker asks for, of all kinds. */
  nextNumber(): number;
  /** One of them makes no more sandboxes. */
  onRetired(zygote: Zygote): void;
}

type Grown = (outcome: Zygote | ZygoteEnding) => void;

/** Sandboxes in a row that could not be made of it, after which nobody starts from it any more. */
const FAILURES_MAX = 3;
/** What kernels take by themselves is a tenth of it. */
const KERNELS_MEMORY_MB = 256;
/** A session's interpreter has started, and answered its first cell, by then. */
const KERNELS_QUIET_MS = 15;

export class Branch implements Zygote {
  readonly number: number;
  readonly ended: Promise<ZygoteEnding>;
  readonly pool: Pool;
  state: 'growing' | 'proving' | 'ready' | 'retired' | 'ended' = 'growing';
  forks = 0;
  #failures = 0;
  #imports: Imports | undefined;
  #onEnded!: (ending: ZygoteEnding) => void;
  readonly #grown: Grown;
  readonly #options: BranchesOptions;

  constructor(number: number, options: BranchesOptions, { kernels }: Pick<Growing, 'kernels'>, grown: Grown) {
    this.number = number;
    this.#grown = grown;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    const quietMs = kernels ? KERNELS_QUIET_MS : undefined;
    this.pool = new Pool({ size: options.pooled ? 1 : 0, max: options.poolMax, quietMs, prepare: () => this.make() });
  }

  get imports(): Imports {
    if (this.#imports === undefined) throw new Error(`zygote ${this.number} is not ready`);
    return this.#imports;
  }

  get waiting(): number {
    return this.pool.waiting;
  }

  /** It has imported. What that has changed may break its forks, so it stands when a first one waits for code. */
  ready(report: unknown): void {
    this.#imports = parseImports(report);
    this.state = 'proving';
    const first = this.#prepare();
    if (first === undefined) {
      this.#stand();
      return;
    }
    first.made.then(
      () => this.#stand(first),
      (error: Error) => {
        if (!first.lost && this.state === 'proving') this.#giveUp(error.message);
      },
    );
  }

  /** Undefined if it makes none. */
  make(): Slot | undefined {
    const slot = this.state === 'ready' ? this.#prepare() : undefined;
    if (slot !== undefined) this.#follow(slot);
    return slot;
  }

  retire(): void {
    if (this.state !== 'ready' && this.state !== 'proving') return;
    this.state = 'retired';
    this.pool.drain();
    this.#options.send({ op: 'retire', branch: this.number });
    this.#options.onRetired(this);
  }

  end(ending: ZygoteEnding): void {
    const before = this.state;
    this.state = 'ended';
    this.pool.clear();
    if (before === 'growing' || before === 'proving') this.#grown(ending);
    this.#onEnded(ending);
  }

  #prepare(): Slot | undefined {
    const slot = this.#options.prepare({ program: 'fork', host_network: false, branch: this.number });
    if (slot !== undefined) this.forks += 1;
    return slot;
  }

  #stand(first?: Slot): void {
    if (this.state !== 'proving') {
      void first?.destroy();
      return;
    }
    this.state = 'ready';
    if (this.#options.pooled && first !== undefined) this.pool.add(first);
    else void first?.destroy();
    this.#grown(this);
    this.pool.tend();
  }

  #follow(slot: Slot): void {
    Promise.any([slot.made, slot.started]).then(
      () => {
        this.#failures = 0;
      },
      (error: AggregateError) => {
        if (slot.lost) return;
        this.#failures += 1;
        if (this.#failures >= FAILURES_MAX && this.state === 'ready') this.#giveUp(error.errors[0].message);
      },
    );
  }

  /** Its own end comes when nothing that it has made is left. */
  #giveUp(reason: string): void {
    const ending: ZygoteEnding = { cause: 'failed', reason: `of its forks: ${reason}`, module: null };
    const isGrown = this.state === 'ready';
    this.retire();
    if (!isGrown) this.#grown(ending);
    this.#onEnded(ending);
  }
}

export class Branches {
  readonly #options: BranchesOptions;
  readonly #branches = new Map<number, Branch>();
  /** By pools that are no more. */
  readonly taken = { waiting: 0, unfinished: 0 };
  #measuring: ((sizes: Record<string, number>) => void)[] = [];

  constructor(options: BranchesOptions) {
    this.#options = options;
  }

  get all(): Iterable<Branch> {
    return this.#branches.values();
  }

  get pools(): Pool[] {
    return [...this.all].map(({ pool }) => pool);
  }

  grow({ parent, packages, modules, memoryMb }: ZygoteSpec): Promise<Zygote | ZygoteEnding> {
    return this.#grow(parent, { packages: packages.dir, modules, kernels: false, memory_mb: memoryMb });
  }

  /** One that has imported what sessions take, besides all that its parent has. */
  growForKernels(parent: Zygote | undefined): Promise<Zygote | ZygoteEnding> {
    return this.#grow(parent, { packages: null, modules: [], kernels: true, memory_mb: KERNELS_MEMORY_MB });
  }

  #grow(parent: Zygote | undefined, what: Omit<Growing, 'parent'>): Promise<Zygote | ZygoteEnding> {
    return new Promise((resolve) => {
      const branch = new Branch(this.#options.nextNumber(), this.#options, what, resolve);
      this.#branches.set(branch.number, branch);
      this.#options.send({ op: 'grow', branch: branch.number, parent: parent?.number ?? null, ...what });
    });
  }

  async measure(): Promise<ReadonlyMap<Zygote, number>> {
    const sizes = await new Promise<Record<string, number>>((resolve) => {
      this.#measuring.push(resolve);
      this.#options.send({ op: 'measure' });
    });
    const found = new Map<Zygote, number>();
    for (const [number, bytes] of Object.entries(sizes)) {
      const branch = this.#branches.get(Number(number));
      if (branch !== undefined) found.set(branch, bytes);
    }
    return found;
  }

  /** A sandbox of this zygote, waiting or being made; undefined if it makes no more. */
  take(zygote: Zygote): Slot | undefined {
    const branch = this.#branches.get(zygote.number);
    return branch?.state === 'ready' ? (branch.pool.take() ?? branch.make()) : undefined;
  }

  find(number: number | null): Branch | undefined {
    return number === null ? undefined : this.#branches.get(number);
  }

  hear(event: SpawnerEvent & { ev: 'branch' | 'measured' }): void {
    if (event.ev === 'measured') {
      this.#measuring.shift()?.(event.branches);
      return;
    }
    const branch = this.#branches.get(event.branch);
    if (event.state === 'ready') branch?.ready(event.report);
    else this.#end(branch, event.ending);
  }

  /** The spawner is gone, and with it all of them. */
  lose(reason: string): void {
    for (const branch of [...this.#branches.values()]) this.#end(branch, { cause: 'lost', reason });
    for (const waiter of this.#measuring.splice(0)) waiter({});
  }

  #end(branch: Branch | undefined, ending: ZygoteEnding): void {
    if (branch === undefined) return;
    this.#branches.delete(branch.number);
    this.taken.waiting += branch.pool.taken.waiting;
    this.taken.unfinished += branch.pool.taken.unfinished;
    branch.end(ending);
  }
}
