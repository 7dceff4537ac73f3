/** All lambdas of one worker: finds the code for a request, hands it to its lambda, ends in order. */
import { Failure, refusalFacts } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import type { MachineMemory } from '../lib/machine-memory.ts';
import { type CodeSource, type CodeVersion, type LambdaName, partsOf } from '../registry/source.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import { Budget } from './budget.ts';
import { type CallSink, type LoadRecord, loadRecordOf, type RunSink, recordOf, refusedLoadOf } from './call-record.ts';
import { type Grants, NO_GRANTS } from './generation.ts';
import type { InstanceView } from './instance-state.ts';
import type { Invocation } from './invocation.ts';
import { Lambda } from './lambda.ts';
import type { EquippedVersion, LambdaPackages } from './lambda-packages.ts';
import type { LambdaPolicy } from './lambda-policy.ts';
import { Loaders, type LoaderView } from './loaders.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { Outcome } from './outcome.ts';

/** A change to a lambda's code is looked into when nothing more has changed for this long, or with the next request. */
const CHANGE_QUIET_MS = 100;

export interface WorkerOptions {
  engine: Engine;
  source: CodeSource;
  /** What a lambda is granted now; nothing if it is not given. Throws Failure if that cannot be known. */
  grants?: (lambda: LambdaName) => Grants;
  /** Installs what lambdas need; nothing is installed if it is not given. */
  packages?: LambdaPackages;
  policy: LambdaPolicy;
  instancesMax: number;
  /** Those who are told of every call. */
  sinks?: readonly CallSink[];
  /** What all instances may take together, in bytes. */
  memoryBytesMax: number;
  readMachine: () => MachineMemory;
  log: Log;
}

export interface SandboxView extends InstanceView {
  lambda: LambdaName;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #budget: Budget;
  readonly #loaders = new Loaders();
  readonly #memory: MemoryWatch;
  /** Never forgotten, as the numbers of a lambda's instances go on after it was deleted and came back. */
  readonly #lambdas = new Map<LambdaName, Lambda>();
  readonly #changes = new Map<LambdaName, NodeJS.Timeout>();
  #stopping = false;
  #inFlight = 0;
  #onDrained: (() => void) | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { engine, instancesMax, memoryBytesMax: maxBytes, readMachine, log } = options;
    this.#budget = new Budget(instancesMax);
    const loaders = this.#loaders;
    this.#memory = new MemoryWatch({ engine, budget: this.#budget, loaders, maxBytes, readMachine, log });
  }

  get state(): 'ready' | 'stopping' {
    return this.#stopping ? 'stopping' : 'ready';
  }

  /** Requests that have begun and have not been answered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** A request begins: false if it is too late for that. Each `true` is paid back by one `leave`. */
  enter(): boolean {
    if (this.#stopping) return false;
    this.#inFlight += 1;
    return true;
  }

  leave(): void {
    this.#inFlight -= 1;
    if (this.#inFlight === 0) this.#onDrained?.();
  }

  /** Runs one event on the code that is current now, and tells the sinks what became of it. */
  async call(name: LambdaName, invocation: Invocation): Promise<Outcome> {
    const startedMs = Date.now();
    const sinceMs = performance.now();
    const outcome = await this.#call(name, invocation);
    const { sinks } = this.#options;
    if (sinks !== undefined && sinks.length > 0) {
      const { requestId, trigger, event } = invocation;
      const durationMs = performance.now() - sinceMs;
      const config = this.#lambdas.get(name)?.version?.config;
      const record = recordOf(outcome, { lambda: name, requestId, trigger, startedMs, durationMs, event, config });
      for (const sink of sinks) sink.onCall(record);
    }
    return outcome;
  }

  async #call(name: LambdaName, invocation: Invocation): Promise<Outcome> {
    let lambda: Lambda | undefined;
    try {
      lambda = await this.#refresh(name, this.#options.policy.packagesWaitMsMax);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.#options.log('warn', 'the code of a lambda cannot be used', { lambda: name, ...refusalFacts(error) });
      return { kind: 'refused', failure: error };
    }
    if (lambda === undefined) return { kind: 'refused', failure: missing(name) };
    const outcome = await lambda.call(invocation);
    if (outcome.kind === 'ended' || outcome.kind === 'timeout') {
      this.#options.log('warn', 'a call did not end well', {
        lambda: name,
        requestId: invocation.requestId,
        ...outcome,
      });
    }
    return outcome;
  }

  /** What it runs on, and who waits for it; undefined if nobody has called it yet. */
  lambda(name: LambdaName): Pick<Lambda, 'version' | 'queue'> | undefined {
    return this.#lambdas.get(name);
  }

  /** What the lambda is granted has changed, which is what its versions are granted. */
  grantsChanged(lambda: LambdaName): void {
    const versions = [...this.#lambdas.keys()].filter((name) => partsOf(name).lambda === lambda);
    for (const name of new Set([lambda, ...versions])) this.codeChanged(name);
  }

  /** Something about the lambda's code has changed: instances of the old need not wait for a request to end. */
  codeChanged(name: LambdaName): void {
    const concerns = this.#lambdas.has(name) || this.#options.policy.eager === true;
    if (this.#stopping || !concerns) return;
    const timer = this.#changes.get(name);
    if (timer !== undefined) timer.refresh();
    else
      this.#changes.set(
        name,
        setTimeout(() => this.#lookInto(name), CHANGE_QUIET_MS),
      );
  }

  sandboxes(): SandboxView[] {
    return [...this.#lambdas].flatMap(([lambda, one]) => one.views().map((view) => ({ lambda, ...view })));
  }

  /** Those that have been called, and how many calls of each wait for an instance. */
  lambdas(): { lambda: LambdaName; waiting: number }[] {
    return [...this.#lambdas].map(([lambda, { queue }]) => ({ lambda, waiting: queue.size }));
  }

  loaders(): LoaderView[] {
    return this.#loaders.views();
  }

  /** Takes no new requests; resolves when those that have begun are done, or after `graceMs`: true if all were. */
  async drain(graceMs: number): Promise<boolean> {
    this.#stopping = true;
    for (const timer of this.#changes.values()) clearTimeout(timer);
    this.#changes.clear();
    if (this.#inFlight === 0) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), graceMs);
      this.#onDrained = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Ends all instances; calls that are still in flight are told so. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#memory.close();
    this.#loaders.close();
    await this.#options.packages?.close();
    await Promise.all([...this.#lambdas.values()].map((lambda) => lambda.close()));
  }

  /** The lambda, on the code and with the secrets that are current now; undefined if it is not in the registry. */
  async #refresh(name: LambdaName, packagesWaitMs?: number): Promise<Lambda | undefined> {
    const { source, packages } = this.#options;
    for (;;) {
      // Nothing may be awaited between the answer and `adopt`: an older answer would overtake a newer.
      const version = await source.current(name);
      if (version === undefined) {
        this.#lambdas.get(name)?.delete();
        packages?.forget(name);
        return undefined;
      }
      const equipped = this.#equip(name, version);
      if (equipped !== undefined) {
        const grants = this.#grantsOf(name, version);
        const lambda = this.#lambdas.get(name) ?? this.#add(name);
        lambda.adopt(equipped, grants);
        return lambda;
      }
      source.release(version);
      // What came meanwhile may need something else.
      if (version.declared !== undefined) await packages?.obtain(name, version.declared, packagesWaitMs);
    }
  }

  /** With its packages; undefined if they are not there. */
  #equip(name: LambdaName, version: CodeVersion): EquippedVersion | undefined {
    const { packages: store } = this.#options;
    const { declared } = version;
    if (store === undefined || declared === undefined) {
      store?.forget(name);
      return version;
    }
    const packages = store.ready(name, declared);
    return packages && { ...version, packages };
  }

  #grantsOf(name: LambdaName, version: CodeVersion): Grants {
    const { grants, source } = this.#options;
    try {
      return grants?.(partsOf(name).lambda) ?? NO_GRANTS;
    } catch (error) {
      source.release(version);
      throw error;
    }
  }

  #add(name: LambdaName): Lambda {
    const { engine, policy, source, sinks = [], log } = this.#options;
    const release = source.release.bind(source);
    const lambda = new Lambda({
      name,
      policy,
      engine,
      loaders: this.#loaders,
      budget: this.#budget,
      log,
      sink: runSinkOf(sinks),
      onLoad: (outcome) => this.#tellLoad(loadRecordOf(name, outcome)),
      release,
      hasVanished: (version) => this.#hasVanished(version),
      refresh: async () => (await this.#refresh(name)) !== undefined,
    });
    this.#lambdas.set(name, lambda);
    return lambda;
  }

  #hasVanished(version: EquippedVersion): boolean {
    const { source, packages } = this.#options;
    if (version.packages !== undefined && packages?.hasVanished(version.packages.dir)) return true;
    return source.hasVanished(version);
  }

  #lookInto(name: LambdaName): void {
    this.#changes.delete(name);
    this.#refresh(name).then(
      (lambda) => {
        if (lambda === undefined) this.#tellLoad(refusedLoadOf(name, missing(name)));
      },
      (error: unknown) => {
        // Whatever else is wrong with the code, the next caller will be told as well.
        if (!(error instanceof Failure)) return;
        // Who watches wants to hear that it loads again, also if it becomes what it was before.
        if (this.#options.policy.eager) this.#lambdas.get(name)?.delete();
        this.#tellLoad(refusedLoadOf(name, error));
      },
    );
  }

  #tellLoad(record: LoadRecord): void {
    for (const sink of this.#options.sinks ?? []) sink.onLoad?.(record);
  }
}

/** Undefined if none of them wants to hear of what runs. */
function runSinkOf(sinks: readonly CallSink[]): RunSink | undefined {
  const starts = sinks.filter((sink) => sink.onStart !== undefined);
  const outputs = sinks.filter((sink) => sink.onOutput !== undefined);
  if (starts.length === 0 && outputs.length === 0) return undefined;
  return {
    onStart(start) {
      for (const sink of starts) sink.onStart?.(start);
    },
    onOutput(output) {
      for (const sink of outputs) sink.onOutput?.(output);
    },
  };
}

function missing(name: LambdaName): Failure {
  const { lambda, version } = partsOf(name);
  const what =
    version === undefined
      ? `There is no lambda ${lambda} in the registry.`
      : `There is no version ${version} of ${lambda}, or its code is gone.`;
  return new Failure('lambda-missing', what);
}
