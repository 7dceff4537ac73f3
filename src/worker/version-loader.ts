/**
 * The loader of one version of a lambda's code, where each event has a process: whether there should be one, from what
 * loading the code for an instance took and left behind, and what becomes of it.
 *
 * It may make instances faster, never wrong: what its import leaves behind that a fork would lack or share keeps it from
 * being, and whatever goes wrong with it or with an instance of it ends it for good. The others import the code themselves.
 */
import type { Log } from '../lib/log.ts';
import type { Loader, LoaderEnding } from '../sandbox/loader.ts';
import type { Ending, Engine } from '../sandbox/sandbox.ts';
import type { Generation } from './generation.ts';
import { outfitOf } from './lambda-packages.ts';
import { type Finding, findingsIn, reportFindings } from './load-report.ts';
import type { Loaders, LoaderView } from './loaders.ts';
import type { LoadOutcome, Outcome } from './outcome.ts';

/** An import that takes less is not worth a process that stays. */
const WORTH_US = 20_000;
/** A fork, which has the code, is asked whether it has before it is given an event, and has so long to say so. */
export const FORK_LOAD_MS_MAX = 5_000;
/** After it was given up for something else, in milliseconds. */
const REST_MS = 60_000;
const NO_LOADERS: LoaderEnding = { cause: 'failed', reason: 'this engine has no loaders' };
/** Ends that a fork has come to by itself; of others its loader's own end tells. */
const OWN_ENDS: readonly Ending['cause'][] = ['exit', 'signal', 'out-of-memory'];
/** Signals by which a process ends for what it did itself: what is not made to be forked may come to that. */
const CRASHES = ['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGABRT', 'SIGFPE', 'SIGTRAP'];

export interface VersionLoaderOptions {
  engine: Engine;
  loaders: Loaders;
  log: Log;
}

type State =
  | { kind: 'none'; notBeforeMs: number }
  | { kind: 'loading' }
  | { kind: 'ready'; loader: Loader }
  /** There will be none: this code is imported anew for each event. */
  | { kind: 'never' };

export class VersionLoader {
  readonly #options: VersionLoaderOptions;
  readonly #generation: Generation;
  #state: State = { kind: 'none', notBeforeMs: 0 };

  constructor(generation: Generation, options: VersionLoaderOptions) {
    this.#generation = generation;
    this.#options = options;
    const { node, config } = generation.version;
    const suits = config.isolation === 'call' && config.zygote && config.network.mode === 'none' && node === undefined;
    if (!suits || options.engine.load === undefined) this.#state = { kind: 'never' };
  }

  /** What an instance that is made now is forked from; undefined if it loads the code itself. */
  use(): Loader | undefined {
    if (this.#state.kind !== 'ready') return undefined;
    this.#options.loaders.used(this);
    return this.#state.loader;
  }

  /** An instance has loaded the code itself. */
  consider({ timings, body }: LoadOutcome & { kind: 'loaded' }): void {
    const state = this.#state;
    if (state.kind !== 'none' || timings.initUs < WORTH_US || performance.now() < state.notBeforeMs) return;
    const findings = findingsIn(body);
    const inTheWay = findings.filter(({ what }) => what !== 'generator');
    if (inTheWay.length > 0) {
      this.#state = { kind: 'never' };
      for (const { what, where } of inTheWay)
        this.#log('info', 'code is imported anew for each event', { what, where });
    } else if (this.#options.loaders.admit(this)) void this.#load(seedsOf(findings));
  }

  /** What came of loading the code in a fork of it: true if that says nothing about the code itself. */
  blameForLoad(loader: Loader | undefined, outcome: LoadOutcome): boolean {
    if (loader === undefined || outcome.kind === 'loaded') return false;
    const lost = outcome.kind === 'ended' && !OWN_ENDS.includes(outcome.ending.cause);
    if (!lost) this.#blame(loader, `an instance of it did not come to load: ${outcome.kind}`);
    return true;
  }

  /** What came of an event in a fork of it. */
  blameForEvent(loader: Loader | undefined, outcome: Outcome): void {
    if (loader === undefined || outcome.kind !== 'ended' || outcome.ending.cause !== 'signal') return;
    const { signal } = outcome.ending;
    if (CRASHES.includes(signal)) this.#blame(loader, `an instance of it ended by ${signal}`);
  }

  /** Something else needs its memory, or its place. */
  rest(): void {
    this.#end({ kind: 'none', notBeforeMs: performance.now() + REST_MS });
  }

  /** No more instances of this version are made. */
  close(): void {
    this.#end({ kind: 'never' });
  }

  view(): LoaderView | undefined {
    if (this.#state.kind !== 'ready') return undefined;
    const { loader } = this.#state;
    const { lambda, digest: version } = this.#generation.version;
    const import_ms = Math.round(loader.tookUs / 1000);
    return { lambda, version, import_ms, forks: loader.forks, memory_bytes: loader.bytes ?? null };
  }

  async #load(seeded: Record<string, number>): Promise<void> {
    const state: State = { kind: 'loading' };
    this.#state = state;
    const { version, grants } = this.#generation;
    const spec = { ...outfitOf(version), instance: 0, secrets: grants.names, seeded };
    const outcome = (await this.#options.engine.load?.(spec)) ?? NO_LOADERS;
    if (this.#state !== state) {
      if (!('cause' in outcome)) outcome.retire();
    } else if ('cause' in outcome) this.#ended(outcome);
    else this.#begin(outcome);
  }

  #begin(loader: Loader): void {
    this.#state = { kind: 'ready', loader };
    this.#log('info', 'code has been loaded once for all events', { importMs: Math.round(loader.tookUs / 1000) });
    reportFindings(this.#generation, loader.findings, this.#options.log);
    void loader.ended.then((ending) => {
      if (this.#state.kind === 'ready' && this.#state.loader === loader) this.#ended(ending);
    });
  }

  /** By itself, or because the engine has done with it. */
  #ended(ending: LoaderEnding): void {
    if (ending.cause === 'failed') this.#giveUp(ending.reason);
    else this.#end({ kind: 'none', notBeforeMs: 0 });
  }

  #blame(loader: Loader, reason: string): void {
    if (this.#state.kind === 'ready' && this.#state.loader === loader) this.#giveUp(reason);
  }

  #giveUp(reason: string): void {
    this.#end({ kind: 'never' });
    this.#log('warn', 'code can not be loaded once for all events: it is imported anew for each', { reason });
  }

  #end(next: State): void {
    const state = this.#state;
    this.#state = next;
    this.#options.loaders.gone(this);
    if (state.kind === 'ready') state.loader.retire();
  }

  #log(level: 'info' | 'warn', message: string, facts: Record<string, unknown>): void {
    this.#options.log(level, message, { lambda: this.#generation.version.lambda, ...facts });
  }
}

/** States of the generators that a process shares with all others if somebody has chosen their seed. */
function seedsOf(findings: readonly Finding[]): Record<string, number> {
  return Object.fromEntries(findings.flatMap(({ where, state }) => (state === undefined ? [] : [[where, state]])));
}
