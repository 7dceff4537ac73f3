import type { CodeVersion } from '../registry/source.ts';
import type { Instance } from './instance.ts';

/** How much the newest call counts in the average. */
const NEWEST_WEIGHT = 0.2;

/** What a call costs besides the handler's own time: two frames and the event loop. */
const CALL_OVERHEAD_MS = 0.1;

/** What the operator has granted a lambda. */
export interface Grants {
  /** Names of secrets. */
  names: readonly string[];
  /** Another one whenever a name or a value has changed. */
  edition: string;
}

export const NO_GRANTS: Grants = { names: [], edition: '' };

/**
 * The instances of a lambda that run one version of its code with one edition of its secrets. The
 * version stays on loan from the registry as long as new events go to it or an instance of it lives.
 */
export class Generation {
  readonly version: CodeVersion;
  readonly grants: Grants;
  /** The one used last comes last, and is used first: the others get to be paused. */
  readonly idle: Instance[] = [];
  /** Instances that take or will take events. */
  live = 0;
  /** Of those, the ones that are being started. */
  starting = 0;
  typicalCallMs: number | undefined;
  #holders = 1;
  readonly #onUnused: (version: CodeVersion) => void;

  /** `onUnused` is called once, when the last holder has let go; there is one to begin with. */
  constructor(version: CodeVersion, grants: Grants, onUnused: (version: CodeVersion) => void) {
    this.version = version;
    this.grants = grants;
    this.#onUnused = onUnused;
  }

  get timeoutMs(): number {
    return this.version.config.limits.timeout_ms;
  }

  get concurrencyMax(): number {
    return this.version.config.limits.concurrency;
  }

  hold(): void {
    this.#holders += 1;
  }

  letGo(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#onUnused(this.version);
  }

  learn(runMs: number): void {
    const callMs = runMs + CALL_OVERHEAD_MS;
    const typicalMs = this.typicalCallMs ?? callMs;
    this.typicalCallMs = typicalMs + NEWEST_WEIGHT * (callMs - typicalMs);
  }

  forget(instance: Instance): void {
    const at = this.idle.indexOf(instance);
    if (at !== -1) this.idle.splice(at, 1);
  }
}
