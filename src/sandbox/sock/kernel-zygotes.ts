/**
 * The zygotes that sessions start from: each is made from the one that a lambda with the same packages would start from,
 * and has imported what kernels take. They are grown when sessions are expected, or the first one comes, which imports
 * that itself meanwhile, so that workers without sessions have none.
 */
import type { EngineLog, Zygote, ZygoteEnding } from '../sandbox.ts';

export interface KernelZygotesOptions {
  /** Makes one from that, or from the zygote without packages. */
  grow(parent: Zygote | undefined): Promise<Zygote | ZygoteEnding>;
  log: EngineLog;
}

interface Grown {
  /** Undefined until it is ready. */
  zygote: Zygote | undefined;
}

export class KernelZygotes {
  readonly #options: KernelZygotesOptions;
  /** By what they are made from. */
  readonly #grown = new Map<Zygote | undefined, Grown>();
  #expected = false;

  constructor(options: KernelZygotesOptions) {
    this.#options = options;
  }

  /** Sessions may come from now on. */
  expect(): void {
    this.#expected = true;
    this.tend();
  }

  /** To be called when zygotes can be made. */
  tend(): void {
    if (this.#expected && !this.#grown.has(undefined)) this.#grow(undefined);
  }

  /** What a session starts from that would start from there if it were a lambda. */
  of(parent: Zygote | undefined): Zygote | undefined {
    const grown = this.#grown.get(parent) ?? this.#grow(parent);
    return grown.zygote ?? parent;
  }

  /** The zygote without packages has been followed by a fresh one. */
  renew(): void {
    const before = this.#grown.get(undefined);
    if (before !== undefined) this.#grow(undefined, before.zygote);
  }

  /** What is made from it would keep it. */
  parentRetired(parent: Zygote): void {
    const grown = this.#grown.get(parent);
    this.#grown.delete(parent);
    grown?.zygote?.retire();
  }

  /** `before` serves until the new one is ready. */
  #grow(parent: Zygote | undefined, before?: Zygote): Grown {
    const grown: Grown = { zygote: before };
    this.#grown.set(parent, grown);
    void this.#options.grow(parent).then((outcome) => {
      before?.retire();
      if ('cause' in outcome) {
        this.#forget(parent, grown);
        if (outcome.cause === 'failed') {
          this.#options.log('warn', 'no zygote for sessions could be grown', { reason: outcome.reason });
        }
        return;
      }
      if (this.#grown.get(parent) !== grown) {
        outcome.retire();
        return;
      }
      grown.zygote = outcome;
      void outcome.ended.then(() => this.#forget(parent, grown));
    });
    return grown;
  }

  #forget(parent: Zygote | undefined, grown: Grown): void {
    if (this.#grown.get(parent) === grown) this.#grown.delete(parent);
  }
}
