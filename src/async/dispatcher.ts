/**
 * Works off the queue of asynchronous calls: takes those that are due, runs each like any call, and says what
 * became of it.
 *
 * It is woken by its own worker's events, by calls that have ended, and when the next of those that wait for
 * their time is due. Every few seconds it also looks for what other workers have left. Those who wait for their
 * answers go first: a lambda's last instance is never taken, and no other is while somebody waits for one.
 */
import { DEFAULT_ASYNC } from '../config/async-spec.ts';
import { Failure } from '../config/failure.ts';
import { Deadline } from '../lib/deadline.ts';
import type { Log } from '../lib/log.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { LambdaName } from '../registry/source.ts';
import type { Settlement, Taken, TakenJob } from '../store/queue/leases.ts';
import type { StoreThread } from '../store/store-thread.ts';
import type { Invocation, Trigger } from '../worker/invocation.ts';
import type { Outcome } from '../worker/outcome.ts';
import type { Worker } from '../worker/worker.ts';
import type { AsyncMetrics } from './async-metrics.ts';
import { LeaseWatch } from './lease-watch.ts';
import { BEAT_MS, CLOCK_STEP_MS, LOOKS_PER_SWEEP, RUNNING_MAX } from './limits.ts';
import type { CallContext } from './queue.ts';
import { settlementOf, tooOld } from './settlement.ts';
import { Settling } from './settling.ts';

export interface DispatcherOptions {
  store: StoreThread<'queue'>;
  worker: Worker;
  /** Tells this worker from others, and is the same in its next life. */
  workerName: string;
  instancesMax: number;
  metrics: AsyncMetrics;
  log: Log;
}

/** Nobody waits, so nobody goes away. */
const NOBODY: Invocation['caller'] = { gone: false, onGone: () => {} };

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #session = uuidV7();
  readonly #leases = new LeaseWatch(this.#session);
  readonly #settling: Settling;
  readonly #nextDue = new Deadline(() => this.wake());
  readonly #runs = new Set<Promise<void>>();
  /** How many run, by lambda; also of those that ran a moment ago. */
  readonly #running = new Map<string, number>();
  /** Lambdas whose code nobody has looked at yet. */
  readonly #strangers = new Set<string>();
  #beat: NodeJS.Timeout | undefined;
  #looks = 0;
  /** Of the wall clock against the monotonic one, at the last look. */
  #clockMs = clockMs();
  #entered = false;
  #wanted = false;
  #taking: Promise<void> | undefined;
  #stopped = false;
  /** The store's last word, to say each only once. */
  #trouble: string | undefined;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#settling = new Settling({ ...options, onTrouble: (error) => this.#say(error) });
  }

  /** From now on calls are run. */
  start(): void {
    this.#beat = setInterval(() => void this.#tell(() => this.#look()), BEAT_MS);
    this.wake();
  }

  /** A call of the lambda has come; without room for it, whatever ends next makes some. */
  came(lambda: string): void {
    if ((this.#running.get(lambda) ?? 0) < this.#share(lambda)) this.wake();
  }

  /** There may be something to run. */
  wake(): void {
    if (this.#stopped) return;
    this.#wanted = true;
    this.#taking ??= this.#takeAll().finally(() => {
      this.#taking = undefined;
    });
  }

  /** An event was given to an instance: how many of its lambda there may be is known now. */
  onStart({ lambda }: { lambda: string }): void {
    if (this.#strangers.delete(lambda)) this.wake();
  }

  /** Takes nothing any more. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#beat);
    this.#nextDue.close();
  }

  /** Resolves when all that it runs has ended and is settled. */
  async close(): Promise<void> {
    this.stop();
    await this.#taking;
    await Promise.all(this.#runs);
    await this.#settling.close();
    const { store } = this.#options;
    await this.#tell(() => store.ask('leave', { session: this.#session, nowMs: Date.now() }));
  }

  async #takeAll(): Promise<void> {
    while (this.#wanted && !this.#stopped) {
      this.#wanted = false;
      const taken = await this.#tell(() => this.#take());
      if (taken === undefined) return;
      for (const job of taken.jobs) this.#begin(job);
      if (taken.nextDueMs !== undefined && !this.#stopped) this.#nextDue.set(Math.max(1, taken.nextDueMs - Date.now()));
    }
  }

  async #take(): Promise<Taken> {
    const { store } = this.#options;
    if (!this.#entered) await this.#enter();
    const total = this.#total() - this.#runs.size;
    // Whatever ends next wakes us again.
    if (total <= 0) return { jobs: [], nextDueMs: undefined };
    const rooms = new Map([...this.#running].map(([lambda, running]) => [lambda, this.#share(lambda) - running]));
    return store.ask('take', { session: this.#session, total, rooms, otherRoom: 1, nowMs: Date.now() });
  }

  async #enter(): Promise<void> {
    const { store, workerName, log } = this.#options;
    const nowMs = Date.now();
    const { reclaimed } = await store.ask('enter', { session: this.#session, worker: workerName, nowMs });
    this.#entered = true;
    if (reclaimed > 0) log('info', 'asynchronous calls that were cut off run again', { calls: reclaimed });
    await store.ask('mendClock', { nowMs });
  }

  #total(): number {
    return Math.max(1, Math.min(RUNNING_MAX, Math.floor(this.#options.instancesMax / 2)));
  }

  /** How many of the lambda's instances may run asynchronous calls now. */
  #share(name: string): number {
    const lambda = this.#options.worker.lambda(name as LambdaName);
    if (lambda?.version === undefined || lambda.queue.awaited > 0) return 1;
    return Math.max(1, lambda.version.config.limits.concurrency - 1);
  }

  #begin(job: TakenJob): void {
    const { worker } = this.#options;
    if (this.#stopped || !worker.enter()) {
      this.#settle(job, { kind: 'released' });
      return;
    }
    if (worker.lambda(job.lambda as LambdaName)?.version === undefined) this.#strangers.add(job.lambda);
    this.#running.set(job.lambda, (this.#running.get(job.lambda) ?? 0) + 1);
    const run = this.#run(job).finally(() => {
      this.#runs.delete(run);
      this.#running.set(job.lambda, (this.#running.get(job.lambda) ?? 1) - 1);
      this.wake();
    });
    this.#runs.add(run);
  }

  async #run(job: TakenJob): Promise<void> {
    const { worker, log } = this.#options;
    let settlement: Settlement;
    try {
      settlement = await this.#outcome(job);
    } catch (err) {
      log('error', 'an asynchronous call failed unexpectedly', { lambda: job.lambda, requestId: job.id, err });
      const failure = new Failure('sandbox-failed', 'The worker failed to run this call; its log says why.');
      settlement = this.#judge(job, { kind: 'refused', failure });
    }
    this.#settle(job, settlement);
    // After that, so that the store of a worker that stops hears of it before it closes.
    worker.leave();
  }

  async #outcome(job: TakenJob): Promise<Settlement> {
    const { worker } = this.#options;
    const name = job.lambda as LambdaName;
    const spec = worker.lambda(name)?.version?.config.async;
    if (spec !== undefined && tooOld({ job, spec, nowMs: Date.now() })) {
      const errorMessage = `It has waited longer than its lambda's max_age_s, ${spec.max_age_s}.`;
      return { kind: 'dead', error: { errorType: 'Async.TooOld', errorMessage } };
    }
    const outcome = await worker.call(name, {
      requestId: job.id,
      trigger: job.trigger as Trigger,
      ...(job.context === null ? {} : (JSON.parse(job.context) as CallContext)),
      event: job.event,
      caller: NOBODY,
    });
    return this.#judge(job, outcome);
  }

  #judge(job: TakenJob, outcome: Outcome): Settlement {
    const lambda = this.#options.worker.lambda(job.lambda as LambdaName);
    const spec = lambda?.version?.config.async ?? DEFAULT_ASYNC;
    return settlementOf(outcome, { job, spec, nowMs: Date.now(), random: Math.random() });
  }

  #settle(job: TakenJob, settlement: Settlement): void {
    const { log, metrics } = this.#options;
    metrics.settled(settlement);
    if (settlement.kind === 'dead') {
      const { errorType } = settlement.error;
      log('warn', 'an asynchronous call is given up', { lambda: job.lambda, requestId: job.id, errorType });
    }
    this.#settling.settle(job, this.#session, settlement);
  }

  /** Says that this worker lives, takes over from those that do not, and tidies up now and then. */
  async #look(): Promise<void> {
    const { store, log } = this.#options;
    this.#settling.retry();
    for (const [lambda, running] of this.#running) if (running === 0) this.#running.delete(lambda);
    if (this.#runs.size > 0 && this.#entered) await store.ask('beat', { session: this.#session });
    const dead = this.#leases.look(await store.ask('running', {}));
    if (dead.length > 0) {
      const calls = await store.ask('reclaim', { sessions: dead, nowMs: Date.now() });
      log('warn', 'a worker has died; its asynchronous calls run again', { calls });
    }
    const before = this.#clockMs;
    this.#clockMs = clockMs();
    if (this.#clockMs < before - CLOCK_STEP_MS) await store.ask('mendClock', { nowMs: Date.now() });
    this.#looks += 1;
    if (this.#looks % LOOKS_PER_SWEEP === 0) await this.#sweep();
    this.wake();
  }

  async #sweep(): Promise<void> {
    const { store, log } = this.#options;
    for (let more = true; more && !this.#stopped; ) {
      const swept = await store.ask('sweep', { nowMs: Date.now() });
      if (swept.deadDropped > 0) {
        log('warn', 'dead letters were dropped: there were more than async_dead_max', { calls: swept.deadDropped });
      }
      more = swept.more;
    }
  }

  /** Undefined if the store can not be asked now: the next look tries again. */
  async #tell<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await ask();
      if (this.#trouble !== undefined) this.#options.log('info', 'asynchronous calls are kept again');
      this.#trouble = undefined;
      return answer;
    } catch (error) {
      this.#say(error);
      // What it comes back with may be another file.
      this.#entered = false;
      return undefined;
    }
  }

  #say(error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error);
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const facts = error instanceof Failure ? { reason: [trouble, ...error.problems].join('; ') } : { err: error };
    this.#options.log('error', 'asynchronous calls can not be run now', facts);
  }
}

function clockMs(): number {
  return Date.now() - performance.now();
}
