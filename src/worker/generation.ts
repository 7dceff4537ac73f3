import type { Loader } from '../sandbox/loader.ts';
import type { Ending } from '../sandbox/sandbox.ts';
import type { Instance } from './instance.ts';
import type { EquippedVersion } from './lambda-packages.ts';
import { Findings } from './load-report.ts';
import type { LoadOutcome, Outcome } from './outcome.ts';
import { type Demand, startsWanted } from './scale.ts';
import { VersionLoader, type VersionLoaderOptions } from './version-loader.ts';

/** How much the newest call counts in the average. */
const NEWEST_WEIGHT = 0.2;

/** What a call costs besides the handler's own time: two frames and the event loop. */
const CALL_OVERHEAD_MS = 0.1;

/** Ends of an instance that its code has brought about. */
const OWN_ENDS: readonly Ending['cause'][] = ['exit', 'signal', 'out-of-memory'];

/** Instances that wait with their code loaded, of a lambda whose events have a process each. */
const AHEAD_MAX = 8;

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
  readonly version: EquippedVersion;
  readonly grants: Grants;
  /** The one used last comes last, and is used first: the others get to be paused. */
  readonly idle: Instance[] = [];
  /** Instances that take or will take events. */
  live = 0;
  /** Of those, the ones that are being started. */
  starting = 0;
  /** Of those, the ones that load the code ahead of any event. */
  readonly #loading = new Set<Instance>();
  /** Instances yet to be made before anybody waits for them, because the code has changed. */
  aheadWanted = 0;
  /** Instances that should wait for events at any time, where each serves one event only. */
  #aheadKept = 0;
  typicalCallMs: number | undefined;
  /** Whether the code is known to load. Until it is, one instance tries; while it does not, none is made ahead. */
  #code: 'untried' | 'loads' | 'fails' = 'untried';
  #fatalLoad: Outcome | undefined;
  readonly findings = new Findings();
  readonly loader: VersionLoader;
  #holders = 1;
  readonly #onUnused: (version: EquippedVersion) => void;

  /** `onUnused` is called once, when the last holder has let go; there is one to begin with. */
  constructor(
    version: EquippedVersion,
    grants: Grants,
    onUnused: (version: EquippedVersion) => void,
    loading: VersionLoaderOptions,
  ) {
    this.version = version;
    this.grants = grants;
    this.#onUnused = onUnused;
    this.loader = new VersionLoader(this, loading);
  }

  get timeoutMs(): number {
    return this.version.config.limits.timeout_ms;
  }

  get concurrencyMax(): number {
    return this.version.config.limits.concurrency;
  }

  /** Whether each event has a process to itself. */
  get isolatesCalls(): boolean {
    return this.version.config.isolation === 'call';
  }

  /** Whether it is of just that code, with the same packages and secrets. */
  isOf({ digest, packages }: EquippedVersion, { edition }: Grants): boolean {
    const own = this.version;
    return own.digest === digest && own.packages?.dir === packages?.dir && this.grants.edition === edition;
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

  /** Whether events came for it lately, as far as that shows. */
  get inUse(): boolean {
    return this.live > 0 || this.#aheadMissing > 0 || this.#code === 'fails';
  }

  /** Whether those who wait are worth another instance. */
  wantsMore(queue: Pick<Demand, 'waiting' | 'headWaitMs' | 'full'>): boolean {
    const { starting, live, concurrencyMax, typicalCallMs } = this;
    const { waiting, headWaitMs, full } = queue;
    return startsWanted({ waiting, headWaitMs, full, starting, live, concurrencyMax, typicalCallMs }) > 0;
  }

  /** Whether it would have another instance before anybody waits for it. */
  get wantsAhead(): boolean {
    if (this.#code === 'fails' || this.#aheadMissing <= 0 || this.live >= this.concurrencyMax) return false;
    return this.#code === 'loads' || this.live === 0;
  }

  /** As many instances as events came at the same time lately should wait, if each serves but one. */
  keepAhead(recentPeak: number): void {
    if (this.isolatesCalls) this.#aheadKept = Math.min(recentPeak, AHEAD_MAX);
  }

  get #aheadMissing(): number {
    return Math.max(this.aheadWanted, this.#aheadKept - this.idle.length - this.starting);
  }

  /** No instance could be made ahead: that is not tried again before an event has been answered. */
  notMade(): void {
    this.#code = 'fails';
  }

  /** Has an instance that has just been started load the code ahead of any event. */
  async load(instance: Instance): Promise<LoadOutcome> {
    this.#loading.add(instance);
    const outcome = await instance.load();
    this.#loading.delete(instance);
    this.starting -= 1;
    return outcome;
  }

  /** What came of loading the code ahead, in a fork of that loader, or of none: false if that was no news about the code. */
  loaded(outcome: LoadOutcome, loader: Loader | undefined): boolean {
    if (this.loader.blameForLoad(loader, outcome)) return false;
    this.#code = outcome.kind === 'loaded' ? 'loads' : 'fails';
    if (outcome.kind === 'loaded') this.loader.consider(outcome);
    if (outcome.kind === 'timeout' || (outcome.kind === 'ended' && OWN_ENDS.includes(outcome.ending.cause))) {
      this.#fatalLoad = outcome;
    }
    return true;
  }

  /** What came of an event in a fork of that loader, or of none: true if that was news about the code. */
  ran(outcome: Outcome, loader: Loader | undefined): boolean {
    const { kind } = outcome;
    this.loader.blameForEvent(loader, outcome);
    if (this.#code === 'loads') return false;
    if (kind === 'result' || kind === 'raised') {
      this.#code = 'loads';
      this.#fatalLoad = undefined;
    } else if (kind === 'init-failed') this.#code = 'fails';
    return true;
  }

  /** How loading ahead ended an instance, told once: one event is spared the same end. */
  takeFatalLoad(): Outcome | undefined {
    const outcome = this.#fatalLoad;
    this.#fatalLoad = undefined;
    return outcome;
  }

  endIdle(): void {
    for (const instance of [...this.idle]) void instance.end();
  }

  /** It is the newest no more, or goes with its lambda: nothing more is made of it. */
  retire(): void {
    this.loader.close();
    this.#endLoading();
    this.letGo();
  }

  #endLoading(): void {
    for (const instance of [...this.#loading]) void instance.end();
  }

  forget(instance: Instance): void {
    this.#loading.delete(instance);
    const at = this.idle.indexOf(instance);
    if (at !== -1) this.idle.splice(at, 1);
  }
}
