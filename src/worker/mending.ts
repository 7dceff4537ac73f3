/** A lambda whose snapshot or packages were deleted under the worker: they are made again, and instances of the empty directory end. */
import { refusalFacts } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import type { LambdaName } from '../registry/source.ts';
import type { Instance } from './instance.ts';
import type { EquippedVersion } from './lambda-packages.ts';

/** Sandboxes that one event may be sent to, each of which ended before it was given any code. */
export const TRIES_MAX = 3;

export interface MendingOptions {
  lambda: LambdaName;
  log: Log;
  /** Whether a snapshot, or its packages, are no longer there; `refresh` then makes them again. */
  hasVanished: (version: EquippedVersion) => boolean;
  /** Adopts the code that is current now; false if there is none. */
  refresh: () => Promise<boolean>;
}

export class Mending {
  readonly #options: MendingOptions;
  /** Whether the copy that is being made has worked. */
  #copying: Promise<boolean> | undefined;
  /** Copies since the last answer. */
  #copies = 0;
  /** Instances that were there when the code had been copied again: theirs is an empty directory. */
  readonly #homeless = new WeakSet<Instance>();

  constructor(options: MendingOptions) {
    this.#options = options;
  }

  get underWay(): boolean {
    return this.#copying !== undefined;
  }

  /** Whether the code was copied again and again, and no call has been answered since. */
  get inVain(): boolean {
    return this.#copies >= TRIES_MAX;
  }

  /** A call was answered. */
  succeeded(): void {
    this.#copies = 0;
  }

  isHomeless(instance: Instance): boolean {
    return this.#homeless.has(instance);
  }

  /**
   * An instance got no code: whether that was because its snapshot had been deleted, and the code has been
   * copied again since the instance began. `abandon` is called when it has been: it tells which instances
   * there are, and they get no more events.
   */
  mend(instance: Instance, version: EquippedVersion, abandon: () => Iterable<Instance>): Promise<boolean> {
    if (this.#homeless.has(instance)) return Promise.resolve(true);
    this.#copying ??= this.#copyAgain(version, abandon).finally(() => {
      this.#copying = undefined;
    });
    return this.#copying;
  }

  async #copyAgain(version: EquippedVersion, abandon: () => Iterable<Instance>): Promise<boolean> {
    const { lambda, log, hasVanished, refresh } = this.#options;
    if (!hasVanished(version)) return false;
    log('warn', 'the copy of a lambda was deleted under the worker; it is made again', { lambda });
    this.#copies += 1;
    try {
      if (!(await refresh())) return false;
    } catch (error) {
      log('warn', 'the code of a lambda cannot be used', { lambda, ...refusalFacts(error) });
      return false;
    }
    for (const one of abandon()) this.#homeless.add(one);
    return true;
  }
}
