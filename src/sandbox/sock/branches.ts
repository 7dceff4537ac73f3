/** The worker's view of the zygotes with packages: what each has imported, and the sandboxes of it that wait for code. */

import { parseImports } from '../imports.ts';
import type { Making } from '../maker.ts';
import { Pool } from '../pool.ts';
import type { Imports, Zygote, ZygoteEnding, ZygoteSpec } from '../sandbox.ts';
import type { Slot } from '../slot.ts';
import type { SpawnerEvent, SpawnerRequest } from './spawner-process.ts';

export interface BranchesOptions {
  send(request: SpawnerRequest): void;
  /** Undefined if none can be made at the moment. */
  prepare(making: Making): Slot | undefined;
  /** Whether sandboxes wait for code at all. */
  pooled: boolean;
  /** How many of one zygote wait at most. */
  poolMax: number;
}

type Grown = (outcome: Zygote | ZygoteEnding) => void;

export class Branch implements Zygote {
  readonly number: number;
  readonly ended: Promise<ZygoteEnding>;
  readonly pool: Pool;
  state: 'growing' | 'ready' | 'retired' | 'ended' = 'growing';
  forks = 0;
  #imports: Imports | undefined;
  #onEnded!: (ending: ZygoteEnding) => void;
  readonly #grown: Grown;
  readonly #send: BranchesOptions['send'];

  constructor(number: number, { send, prepare, pooled, poolMax }: BranchesOptions, grown: Grown) {
    this.number = number;
    this.#grown = grown;
    this.#send = send;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    const making: Making = { program: 'fork', host_network: false, branch: number };
    this.pool = new Pool({
      size: pooled ? 1 : 0,
      max: poolMax,
      prepare: () => (this.state === 'ready' ? this.#counted(prepare(making)) : undefined),
    });
  }

  get imports(): Imports {
    if (this.#imports === undefined) throw new Error(`zygote ${this.number} is not ready`);
    return this.#imports;
  }

  get waiting(): number {
    return this.pool.waiting;
  }

  ready(report: unknown): void {
    this.#imports = parseImports(report);
    this.state = 'ready';
    this.#grown(this);
    this.pool.tend();
  }

  retire(): void {
    if (this.state !== 'ready') return;
    this.state = 'retired';
    this.pool.drain();
    this.#send({ op: 'retire', branch: this.number });
  }

  end(ending: ZygoteEnding): void {
    const before = this.state;
    this.state = 'ended';
    this.pool.clear();
    if (before === 'growing') this.#grown(ending);
    this.#onEnded(ending);
  }

  #counted(slot: Slot | undefined): Slot | undefined {
    if (slot !== undefined) this.forks += 1;
    return slot;
  }
}

export class Branches {
  readonly #options: BranchesOptions;
  readonly #branches = new Map<number, Branch>();
  /** By pools that are no more. */
  readonly taken = { waiting: 0, unfinished: 0 };
  #next = 1;
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
    return new Promise((resolve) => {
      const branch = new Branch(this.#next++, this.#options, resolve);
      this.#branches.set(branch.number, branch);
      this.#options.send({
        op: 'grow',
        branch: branch.number,
        parent: parent?.number ?? null,
        packages: packages.dir,
        modules,
        memory_mb: memoryMb,
      });
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
    if (branch?.state !== 'ready') return undefined;
    return branch.pool.take() ?? this.#make(branch);
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

  #make(branch: Branch): Slot | undefined {
    const slot = this.#options.prepare({ program: 'fork', host_network: false, branch: branch.number });
    if (slot !== undefined) branch.forks += 1;
    return slot;
  }

  #end(branch: Branch | undefined, ending: ZygoteEnding): void {
    if (branch === undefined) return;
    this.#branches.delete(branch.number);
    this.taken.waiting += branch.pool.taken.waiting;
    this.taken.unfinished += branch.pool.taken.unfinished;
    branch.end(ending);
  }
}
