/** Asynchronous calls of a worker: the queue in its thread, who works it off, and what is told of it. */
import { join } from 'node:path';
import { AsyncMetrics } from '../async/async-metrics.ts';
import { Dispatcher } from '../async/dispatcher.ts';
import { AsyncQueue } from '../async/queue.ts';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { CodeSource, LambdaName } from '../registry/source.ts';
import { Scheduler } from '../schedule/scheduler.ts';
import type { CallSink } from '../worker/call-record.ts';
import type { Worker } from '../worker/worker.ts';
import { scheduledIn } from './lambda-dirs.ts';
import { programDir } from './program-dir.ts';

export interface AsyncCallsOptions {
  settings: WorkerSettings;
  /** Asked for when it is needed: it tells of changes before it is there itself. */
  source: () => CodeSource;
  metrics: Metrics;
  log: Log;
}

export class AsyncCalls {
  readonly queue: AsyncQueue;
  /** Has to hear of calls. */
  readonly sink: CallSink;
  readonly #options: AsyncCallsOptions;
  readonly #metrics: AsyncMetrics;
  readonly #scheduler = new Scheduler();
  #dispatcher: Dispatcher | undefined;

  constructor(options: AsyncCallsOptions) {
    this.#options = options;
    this.#metrics = new AsyncMetrics(options.metrics);
    this.queue = new AsyncQueue({
      ...options,
      exists: (lambda) => isThere(options.source(), lambda),
      threadProgram: join(programDir(), 'store', 'thread.js'),
      onEnqueued: (lambda) => {
        this.#metrics.accepted();
        this.#dispatcher?.came(lambda);
      },
    });
    this.sink = { onCall: () => {}, onStart: (start) => this.#dispatcher?.onStart(start) };
  }

  /** From now on the worker runs what is in the queue, its own and that of others. */
  start(worker: Worker): void {
    const { settings, log } = this.#options;
    const { worker_dir: workerName, instances_max: instancesMax } = settings;
    const { store } = this.queue;
    this.#dispatcher = new Dispatcher({ store, worker, workerName, instancesMax, metrics: this.#metrics, log });
    this.#dispatcher.start();
    this.#scheduler.start({
      store,
      source: this.#options.source(),
      list: () => (settings.registry === 'local' ? scheduledIn(settings.registry_dir) : []),
      onFired: (calls) => {
        this.#metrics.fired(calls);
        this.#dispatcher?.wake();
      },
      log,
    });
  }

  /** Something about the lambda's code has changed: its schedules may have. */
  changed(lambda: LambdaName): void {
    this.#scheduler.changed(lambda);
  }

  /** So much has changed that some of it may have been missed. */
  changedAll(): void {
    this.#scheduler.changedAll();
  }

  /** Begins no call any more. */
  stop(): void {
    this.#scheduler.stop();
    this.#dispatcher?.stop();
  }

  /** To be called before the metrics are read. What can not be asked stays as it was. */
  async updateMetrics(): Promise<void> {
    const totals = await this.queue.totals().catch(() => undefined);
    if (totals !== undefined) this.#metrics.holds(totals, Date.now());
  }

  /** After the worker's own calls have ended. */
  async close(): Promise<void> {
    await this.#scheduler.close();
    await this.#dispatcher?.close();
    await this.queue.close();
  }
}

/** Usable or not; true also if the registry does not say. */
async function isThere(source: CodeSource, lambda: LambdaName): Promise<boolean> {
  try {
    const version = await source.current(lambda);
    if (version !== undefined) source.release(version);
    return version !== undefined;
  } catch (error) {
    if (error instanceof Failure) return true;
    throw error;
  }
}
