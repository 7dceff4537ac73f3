import type { Log } from '../lib/log.ts';
import type { Budget } from './budget.ts';
import type { RunSink } from './call-record.ts';
import type { Generation } from './generation.ts';
import { Instance } from './instance.ts';
import type { InstanceView } from './instance-state.ts';

export interface InstancesOptions {
  pauseAfterMs: number;
  budget: Budget;
  log: Log;
  /** Told what they are given and what they print; they may print what they like if nobody is. */
  sink: RunSink | undefined;
  /** One takes no more events. */
  onEnding: (generation: Generation) => void;
  /** Nothing is left of one. */
  onGone: () => void;
}

/** The instances of one lambda, of all its generations, each until nothing is left of it. */
export class Instances {
  readonly #options: InstancesOptions;
  readonly #all = new Set<Instance>();
  /** Those that are not ending. */
  #live = 0;
  #nextNumber = 0;

  constructor(options: InstancesOptions) {
    this.#options = options;
  }

  get live(): number {
    return this.#live;
  }

  all(): Iterable<Instance> {
    return this.#all;
  }

  views(): InstanceView[] {
    return [...this.#all].map((instance) => instance.view());
  }

  /** One that is to be started. */
  make(generation: Generation): Instance {
    const { pauseAfterMs, log, sink } = this.#options;
    const instance = new Instance({
      number: this.#nextNumber,
      version: generation.version,
      secrets: generation.grants.names,
      loader: generation.loader.use(),
      timeoutMs: generation.timeoutMs,
      pauseAfterMs,
      log,
      sink,
      onEnding: (ending) => this.#onEnding(ending, generation),
      onGone: (gone) => this.#onGone(gone, generation),
    });
    this.#nextNumber += 1;
    this.#all.add(instance);
    this.#live += 1;
    generation.hold();
    generation.live += 1;
    generation.starting += 1;
    generation.aheadWanted = Math.max(0, generation.aheadWanted - 1);
    return instance;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#all].map((instance) => instance.end()));
  }

  #onEnding(instance: Instance, generation: Generation): void {
    this.#live -= 1;
    generation.live -= 1;
    generation.forget(instance);
    this.#options.budget.ending(instance);
    this.#options.onEnding(generation);
  }

  #onGone(instance: Instance, generation: Generation): void {
    this.#all.delete(instance);
    generation.letGo();
    this.#options.budget.gone();
    this.#options.onGone();
  }
}
