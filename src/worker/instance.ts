/** One numbered instance of a lambda, backed by one sandbox from its start to its end. */
import { Failure } from '../config/failure.ts';
import { assertNever } from '../lib/assert-never.ts';
import { Deadline } from '../lib/deadline.ts';
import type { Linked } from '../lib/linked-list.ts';
import type { Log } from '../lib/log.ts';
import type { Loader } from '../sandbox/loader.ts';
import type { Ending, Engine, Loaded, Output, Reply, Sandbox, Timings } from '../sandbox/sandbox.ts';
import type { InstanceName, RunSink } from './call-record.ts';
import { type InstanceState, type InstanceView, viewOf } from './instance-state.ts';
import type { Invocation } from './invocation.ts';
import { type EquippedVersion, outfitOf } from './lambda-packages.ts';
import type { AnsweredKind, CallRun, LoadOutcome, Outcome } from './outcome.ts';
import { FORK_LOAD_MS_MAX } from './version-loader.ts';

type Ended = Reply & { kind: 'ended' };
type TimedOut = Outcome & { kind: 'timeout' };

export interface InstanceOptions {
  number: number;
  version: EquippedVersion;
  /** Names of those it may read. */
  secrets: readonly string[];
  /** What it is forked from, if it does not load the code itself. */
  loader: Loader | undefined;
  timeoutMs: number;
  pauseAfterMs: number;
  log: Log;
  sink: RunSink | undefined;
  /** Called once, as soon as the instance takes no more events. */
  onEnding: (instance: Instance) => void;
  /** Called once, when nothing is left of it. */
  onGone: (instance: Instance) => void;
}

export class Instance implements Linked<Instance> {
  // In the list of those that are idle.
  before: Instance | undefined;
  behind: Instance | undefined;
  listed = false;
  readonly #options: InstanceOptions;
  readonly #name: InstanceName;
  #state: InstanceState = { kind: 'starting' };
  #starting: Promise<Failure | undefined> | undefined;
  #gone: Promise<void> | undefined;
  /** Of the call, or of loading. */
  readonly #timeLimit = new Deadline(() => this.#onLate());
  #onLate: () => void = () => {};
  readonly #pauseTime = new Deadline(() => this.#pause());
  readonly #bornMs = Date.now();
  #called = false;
  #calls = 0;

  constructor(options: InstanceOptions) {
    const { version, number } = options;
    this.#options = options;
    this.#name = { lambda: version.lambda, version: version.digest, instance: number };
  }

  /** Whether it takes no more events. */
  get ending(): boolean {
    return this.#state.kind === 'ending';
  }

  get loader(): Loader | undefined {
    return this.#options.loader;
  }

  view(): InstanceView {
    const { number: instance } = this.#options;
    return { instance, ...viewOf(this.#state), bornMs: this.#bornMs, calls: this.#calls };
  }

  /** Resolves with the reason if there is no sandbox to be had; the instance has ended then. */
  start(engine: Engine): Promise<Failure | undefined> {
    this.#starting = this.#start(engine);
    return this.#starting;
  }

  /** Runs one event. The instance must not be busy. Never rejects. */
  run(invocation: Invocation): Promise<Outcome> {
    const state = this.#state;
    this.#pauseTime.lift();
    switch (state.kind) {
      case 'idle':
      case 'paused':
        return this.#call(state.sandbox, invocation);
      case 'pausing':
        return this.#callOncePaused(state, invocation);
      case 'starting':
      case 'loading':
      case 'busy':
      case 'ending':
        throw new Error(`instance ${this.#options.number} of ${this.#options.version.lambda} is ${state.kind}`);
      default:
        return assertNever(state);
    }
  }

  /** Loads the code, which no event has done yet, within the time that a call may take, or a fork. Never rejects. */
  load(): Promise<LoadOutcome> {
    const state = this.#state;
    if (state.kind !== 'idle') return Promise.resolve(this.#ended({ cause: 'destroyed' }, this.#run(true, 0)));
    this.#state = { kind: 'loading', sandbox: state.sandbox };
    const { loader, timeoutMs } = this.#options;
    const withinMs = loader === undefined ? timeoutMs : Math.min(timeoutMs, FORK_LOAD_MS_MAX);
    return this.#timed(state.sandbox.load(), { cold: true, withinMs }, (loaded, run) => this.#loadOutcome(loaded, run));
  }

  /** There is nothing to do for now: pauses it when that has lasted long enough. */
  rest(): void {
    if (this.#options.pauseAfterMs === 0) this.#pause();
    else this.#pauseTime.set(this.#options.pauseAfterMs);
  }

  /** Ends the sandbox, whatever it does; resolves when nothing is left of it. Idempotent. */
  end(): Promise<void> {
    this.#gone ??= this.#end();
    return this.#gone;
  }

  async #start(engine: Engine): Promise<Failure | undefined> {
    const { version, number, secrets, loader, sink } = this.#options;
    const tell = (output: Output) => sink?.onOutput({ ...this.#name, ...output });
    let sandbox: Sandbox;
    try {
      sandbox = await engine.create({
        ...outfitOf(version),
        instance: number,
        zygote: version.config.zygote,
        secrets,
        loader,
        ...(sink === undefined ? {} : { onOutput: tell }),
      });
    } catch (error) {
      void this.end();
      return asSandboxFailure(error);
    }
    if (this.ending) {
      this.#state = { kind: 'ending', sandbox };
      return undefined;
    }
    this.#state = { kind: 'idle', sandbox };
    void sandbox.ended.then((ending) => this.#endedByItself(ending));
    return undefined;
  }

  #call(sandbox: Sandbox, invocation: Invocation): Promise<Outcome> {
    this.#state = { kind: 'busy', sandbox };
    const { timeoutMs } = this.#options;
    const cold = !this.#called;
    this.#called = true;
    this.#calls += 1;
    const { lambda, version, instance } = this.#name;
    this.#options.sink?.onStart({ lambda, version, instance, requestId: invocation.requestId });
    const replied = sandbox.call({ ...invocation, deadlineMs: Date.now() + timeoutMs });
    return this.#timed(replied, { cold, withinMs: timeoutMs }, (reply, run) => this.#outcome(reply, run));
  }

  /** Ends the instance if its sandbox does not answer in time. */
  #timed<R, O>(
    asked: Promise<R>,
    { cold, withinMs }: { cold: boolean; withinMs: number },
    outcomeOf: (reply: R | Ended, run: CallRun) => O,
  ): Promise<O | TimedOut> {
    const sentMs = performance.now();
    return new Promise((resolve) => {
      this.#onLate = () => {
        resolve({ kind: 'timeout', timeoutMs: withinMs, run: this.#run(cold, performance.now() - sentMs) });
        void this.end();
      };
      this.#timeLimit.set(withinMs);
      const onReply = (reply: R | Ended): void => {
        this.#timeLimit.lift();
        resolve(outcomeOf(reply, this.#run(cold, performance.now() - sentMs)));
      };
      asked.then(onReply, (error: unknown) => {
        // An engine that breaks its promise not to reject has lost the sandbox, whatever it says.
        onReply({ kind: 'ended', ending: { cause: 'lost', reason: String(error) } });
      });
    });
  }

  #loadOutcome(loaded: Loaded, run: CallRun): LoadOutcome {
    const state = this.#state;
    if (loaded.kind === 'ended') {
      void this.end();
      return this.#ended(loaded.ending, run);
    }
    // Also if the code has failed to load: its first call is told so.
    if (state.kind === 'loading') this.#state = { kind: 'idle', sandbox: state.sandbox };
    this.#called = true;
    return loaded.kind === 'loaded' ? loaded : answered(loaded, run);
  }

  async #callOncePaused(state: InstanceState & { kind: 'pausing' }, invocation: Invocation): Promise<Outcome> {
    this.#state = { kind: 'busy', sandbox: state.sandbox };
    if (await state.paused) return this.#call(state.sandbox, invocation);
    void this.end();
    return this.#ended({ cause: 'lost', reason: 'it could not be paused' }, this.#run(false, 0));
  }

  #run(cold: boolean, runMs: number): CallRun {
    const { number, version } = this.#options;
    const state = this.#state;
    const sandbox = state.kind === 'starting' ? undefined : state.sandbox;
    const { peakBytes: memoryBytes, cpuUs } = sandbox ?? { peakBytes: undefined, cpuUs: undefined };
    const cpuMs = cpuUs === undefined ? undefined : cpuUs / 1000;
    const initMs = cold ? undefined : 0;
    const memoryMb = version.config.limits.memory_mb;
    return { instance: number, version: version.digest, cold, queueMs: 0, initMs, runMs, memoryMb, memoryBytes, cpuMs };
  }

  #outcome(reply: Reply, run: CallRun): Outcome {
    const state = this.#state;
    switch (reply.kind) {
      case 'result':
      case 'raised':
      case 'event-invalid':
        if (state.kind === 'busy') this.#state = { kind: 'idle', sandbox: state.sandbox };
        return answered(reply, run);
      case 'init-failed':
        // What failed to load will not heal; a fresh sandbox may find what was missing.
        void this.end();
        return answered(reply, run);
      case 'ended':
        void this.end();
        return this.#ended(reply.ending, run);
      default:
        return assertNever(reply);
    }
  }

  #ended(ending: Ending, run: CallRun): Outcome & { kind: 'ended' } {
    return { kind: 'ended', ending, run };
  }

  #pause(): void {
    const state = this.#state;
    if (state.kind !== 'idle') return;
    const { sandbox } = state;
    const paused = sandbox.pause().then(
      () => true,
      (error: unknown) => {
        this.#options.log('warn', 'an idle instance could not be paused', { ...this.#facts(), err: error });
        return false;
      },
    );
    const pausing: InstanceState = { kind: 'pausing', sandbox, paused };
    this.#state = pausing;
    void paused.then((done) => {
      if (this.#state !== pausing) return;
      if (done) this.#state = { kind: 'paused', sandbox };
      else void this.end();
    });
  }

  #endedByItself(ending: Ending): void {
    const { kind } = this.#state;
    // A busy one is told by its call's reply as well, which has the caller to answer.
    if (kind === 'idle' || kind === 'pausing' || kind === 'paused') {
      this.#options.log('warn', 'an idle instance ended', { ...this.#facts(), ending });
    }
    void this.end();
  }

  async #end(): Promise<void> {
    const state = this.#state;
    this.#pauseTime.close();
    this.#timeLimit.close();
    this.#state = { kind: 'ending', sandbox: state.kind === 'starting' ? undefined : state.sandbox };
    this.#options.onEnding(this);
    // What is still being made cannot be stopped, only be taken down once it is there.
    if (state.kind === 'starting') await this.#starting;
    const ending = this.#state as InstanceState & { kind: 'ending' };
    try {
      await ending.sandbox?.destroy();
    } catch (error) {
      this.#options.log('error', 'a sandbox was not removed completely', { ...this.#facts(), err: error });
    }
    this.#options.onGone(this);
  }

  #facts(): Record<string, unknown> {
    return { lambda: this.#options.version.lambda, instance: this.#options.number };
  }
}

/** With the instance's own word for how long it took. */
function answered<K extends AnsweredKind>(reply: { kind: K; body: Buffer; timings: Timings }, run: CallRun) {
  const { kind, body, timings } = reply;
  run.initMs = timings.initUs / 1000;
  run.runMs = timings.runUs / 1000;
  return { kind, body, run };
}

function asSandboxFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure('sandbox-failed', `the sandbox was not made: ${String(error)}`, { cause: error });
}
