/**
 * One lambda: who waits, which instance runs what, when there are more and when fewer.
 *
 * Events go to instances of the newest generation only. An older one's instances finish what they
 * do and end. If there were any, the new code is loaded ahead of any event. A queued event may run on code newer than it asked for, never on older.
 * While an instance of the newest generation is idle, nobody waits.
 */
import { Failure } from '../config/failure.ts';
import type { LambdaName } from '../registry/source.ts';
import type { Tenant } from './budget.ts';
import { runWhileAwaited } from './cancel.ts';
import { Generation, type Grants, NO_GRANTS } from './generation.ts';
import type { Instance } from './instance.ts';
import type { InstanceView } from './instance-state.ts';
import { Instances, type InstancesOptions } from './instances.ts';
import type { Invocation } from './invocation.ts';
import type { EquippedVersion } from './lambda-packages.ts';
import type { LambdaPolicy } from './lambda-policy.ts';
import { reportLoad } from './load-report.ts';
import { Mending, type MendingOptions, TRIES_MAX } from './mending.ts';
import type { LoadOutcome, Outcome } from './outcome.ts';
import { RecentPeak } from './recent-peak.ts';
import { PATIENCE_MS } from './scale.ts';
import { Succession } from './succession.ts';
import type { VersionLoaderOptions } from './version-loader.ts';
import { WaitQueue } from './wait-queue.ts';

export interface LambdaOptions
  extends Omit<MendingOptions, 'lambda'>,
    Pick<InstancesOptions, 'budget' | 'sink'>,
    VersionLoaderOptions {
  name: LambdaName;
  policy: LambdaPolicy;
  /** Gives a version's loan back to the registry. */
  release: (version: EquippedVersion) => void;
  onLoad: (outcome: LoadOutcome) => void;
}

export class Lambda implements Tenant {
  readonly #options: LambdaOptions;
  readonly #queue: WaitQueue;
  readonly #mending: Mending;
  readonly #instances: Instances;
  readonly #generations = new Succession();
  readonly #busy = new RecentPeak();
  #patience: NodeJS.Timeout | undefined;
  /** `deleted`: it has gone from the registry, and ends when nobody waits any more. */
  #state: 'open' | 'deleted' | 'closed' = 'open';

  constructor(options: LambdaOptions) {
    this.#options = options;
    this.#queue = new WaitQueue(options.policy.queueWaitMsMax);
    this.#mending = new Mending({ ...options, lambda: options.name });
    this.#instances = new Instances({
      ...options,
      pauseAfterMs: options.policy.pauseAfterMs,
      onEnding: (generation) => this.#onEnding(generation),
      onGone: () => this.#forgetIfDone(),
    });
  }

  get live(): number {
    return this.#instances.live;
  }

  /** Calls that wait for an instance. */
  get queue(): Pick<WaitQueue, 'size' | 'awaited'> {
    return this.#queue;
  }

  /** That which events run on now; undefined if its code has gone. */
  get version(): EquippedVersion | undefined {
    return this.#newest?.version;
  }

  /** From now on events run this version, whose loan passes to the lambda, with these secrets. */
  adopt(version: EquippedVersion, grants: Grants = NO_GRANTS): void {
    const before = this.#newest;
    if (this.#state === 'deleted') this.#state = 'open';
    if (before?.isOf(version, grants)) {
      this.#options.release(version);
      return;
    }
    this.#replace(new Generation(version, grants, this.#options.release, this.#options));
    this.#scale();
  }

  /** Its code has gone. Events that came before still run. */
  delete(): void {
    if (this.#state === 'closed') return;
    this.#state = 'deleted';
    this.#forgetIfDone();
  }

  /** Runs the event on the version adopted last. */
  call(invocation: Invocation): Promise<Outcome> {
    const generation = this.#newest;
    if (generation === undefined) throw new Error(`lambda ${this.#options.name} has no code yet`);
    const instance = generation.idle.pop();
    if (instance === undefined) return this.#wait(generation, invocation);
    this.#options.budget.busy(instance);
    return this.#run(instance, generation, invocation);
  }

  /** Ends all instances at once, calls in flight included. */
  async close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#patience);
    this.#queue.refuseAll(new Failure('stopping', 'The worker is stopping; the event was not run.'));
    await this.#instances.end();
  }

  views(): InstanceView[] {
    return this.#instances.views();
  }

  wantsInstance(): boolean {
    const generation = this.#newest;
    const { size: waiting } = this.#queue;
    if (generation === undefined || waiting === 0 || this.#state === 'closed') return false;
    // Under load most calls ask in vain, and asking has its price.
    if (this.#mending.underWay || generation.live >= generation.concurrencyMax) return false;
    return generation.wantsMore({ waiting, headWaitMs: this.#queue.headWaitMs(), full: this.#overfull(generation) });
  }

  startInstance(): void {
    const generation = this.#newest as Generation;
    const instance = this.#instances.make(generation);
    void instance.start(this.#options.engine).then((failure) => this.#onStarted(instance, generation, failure));
  }

  wantsAhead(): boolean {
    const generation = this.#newest;
    generation?.keepAhead(this.#busy.value());
    return this.#state === 'open' && !this.#mending.underWay && generation?.wantsAhead === true;
  }

  startAhead(): void {
    const generation = this.#newest as Generation;
    const instance = this.#instances.make(generation);
    void instance.start(this.#options.engine).then((failure) => {
      if (failure !== undefined) generation.notMade();
      // Whoever waits by now gets it as it is: his event finds the code loaded, or is told what it is told.
      if (failure !== undefined || instance.ending || generation !== this.#newest || this.#queue.size > 0) {
        this.#onStarted(instance, generation, failure);
      } else void this.#load(instance, generation);
    });
  }

  async #load(instance: Instance, generation: Generation): Promise<void> {
    const outcome = await generation.load(instance);
    if (generation !== this.#newest || this.#state === 'closed') return this.#onFree(instance, generation);
    if (!generation.loaded(outcome, instance.loader)) return void instance.end();
    this.#options.onLoad(outcome);
    reportLoad(generation, outcome, this.#options.log);
    const fatal = this.#queue.size > 0 ? generation.takeFatalLoad() : undefined;
    if (fatal !== undefined) this.#queue.shift()?.answer(fatal);
    this.#onFree(instance, generation);
    this.#onTried();
  }

  /** Whether the newest code loads is known: what was put off until then can be done. */
  #onTried(): void {
    this.#generations.drain();
    this.#options.budget.hope(this);
  }

  #onStarted(instance: Instance, generation: Generation, failure: Failure | undefined): void {
    if (failure === undefined && instance.loader !== undefined) return void this.#load(instance, generation);
    generation.starting -= 1;
    if (failure === undefined) this.#onFree(instance, generation);
    else void this.#onNotMade(instance, generation, failure);
  }

  async #onNotMade(instance: Instance, generation: Generation, failure: Failure): Promise<void> {
    const { name, log } = this.#options;
    log('error', 'a sandbox was not made', { lambda: name, step: failure.step, err: failure });
    const mended = await this.#mend(instance, generation);
    // One failure, one refusal: whoever waits next has a try of his own, and nobody tries in a loop.
    if (!mended || this.#mending.inVain) this.#queue.shift()?.answer({ kind: 'refused', failure });
    this.#scale();
  }

  /** Whether an instance that got no code should be followed by another try. */
  async #mend(instance: Instance, { version }: Generation): Promise<boolean> {
    if (this.#state === 'closed') return false;
    return this.#mending.mend(instance, version, () => {
      for (const idle of [...(this.#newest?.idle ?? [])]) void idle.end();
      return this.#instances.all();
    });
  }

  async #run(instance: Instance, generation: Generation, invocation: Invocation): Promise<Outcome> {
    this.#busy.begin();
    const awaiting = generation.version.config.cancelOnDisconnect ? invocation.caller : invocation.parts;
    const outcome = await (awaiting ? runWhileAwaited(instance, invocation, awaiting) : instance.run(invocation));
    this.#busy.end();
    if (outcome.kind === 'result' || outcome.kind === 'raised') {
      if (!generation.isolatesCalls) generation.learn(outcome.run.runMs);
      this.#mending.succeeded();
    }
    const news = generation.ran(outcome, instance.loader);
    // It has served its only event. Ending it, and making the next, comes after the answer.
    if (generation.isolatesCalls) setImmediate(() => void instance.end());
    else if (!instance.ending) this.#onFree(instance, generation);
    if (news && generation === this.#newest) this.#onTried();
    const tries = (invocation.tries ?? 0) + 1;
    if (outcome.kind === 'ended' && outcome.ending.cause === 'not-started' && tries < TRIES_MAX) {
      // Its sandbox went down before it had any code: the event has not begun, so this is still its first run.
      await this.#mend(instance, generation);
      if (this.#newest === undefined || this.#state === 'closed') return outcome;
      return this.call({ ...invocation, tries });
    }
    return outcome;
  }

  /** An instance has nothing to do: give it the next event, to somebody else, or a rest. */
  #onFree(instance: Instance, generation: Generation): void {
    if (instance.ending) return;
    const stale = generation !== this.#newest || this.#state === 'closed' || this.#mending.isHomeless(instance);
    if (stale && this.#generations.keeps(generation)) {
      this.#rest(instance, generation);
      return;
    }
    if (stale || this.#options.budget.mustYield(this)) {
      void instance.end();
      return;
    }
    const waiter = this.#queue.shift();
    if (waiter !== undefined) {
      waiter.follow(this.#run(instance, generation, waiter.invocation));
      return;
    }
    this.#rest(instance, generation);
    this.#forgetIfDone();
  }

  #rest(instance: Instance, generation: Generation): void {
    generation.idle.push(instance);
    instance.rest();
    this.#options.budget.idle(instance);
  }

  #wait(generation: Generation, invocation: Invocation): Promise<Outcome> {
    if (invocation.caller.gone) return Promise.resolve({ kind: 'abandoned' });
    const fatal = generation.takeFatalLoad();
    if (fatal !== undefined) return Promise.resolve(fatal);
    const waiter = this.#queue.join(invocation);
    this.#scale();
    if (this.#overfull(generation)) {
      const message = `${this.#queue.size - 1} calls of lambda ${this.#options.name} wait already; try again later.`;
      this.#queue.refuse(waiter, new Failure('queue-full', message));
    }
    return waiter.outcome;
  }

  /** Those for whom an instance is being started do not count: with no queue at all, cold starts still work. */
  #overfull(generation: Generation): boolean {
    return this.#queue.size > this.#options.policy.queueMax + generation.starting;
  }

  /** Asks for more instances if those who wait are worth it, now or in a little while. */
  #scale(): void {
    if (this.wantsInstance()) this.#options.budget.want(this);
    if (this.#queue.size === 0 || this.#patience !== undefined) return;
    this.#patience = setTimeout(() => {
      this.#patience = undefined;
      this.#scale();
    }, PATIENCE_MS);
  }

  #onEnding(generation: Generation): void {
    if (generation === this.#newest) {
      this.#generations.drain();
      if (generation.isolatesCalls) setImmediate(() => this.#options.budget.hope(this));
    }
    this.#scale();
  }

  #replace(newest: Generation): void {
    const wantsAhead = this.#newest?.inUse || this.#options.policy.eager;
    const before = this.#generations.begin(newest);
    if (wantsAhead) newest.aheadWanted = Math.min(Math.max(1, this.#busy.value()), newest.concurrencyMax);
    if (wantsAhead || before !== undefined) this.#options.budget.hope(this);
    if (before === undefined) return;
    // A revoked secret is out of reach at once. And if nothing is being loaded, there was no need, or no place,
    // and theirs may be the next.
    const revoked = before.grants.edition !== newest.grants.edition;
    if (revoked || newest.live === 0) this.#generations.drain();
  }

  #forgetIfDone(): void {
    if (this.#state !== 'deleted' || this.#queue.size > 0 || this.#newest === undefined) return;
    this.#generations.end();
  }

  get #newest(): Generation | undefined {
    return this.#generations.newest;
  }
}
