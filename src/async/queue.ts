/** The door to the queue of asynchronous calls, for whoever takes events: its own routes, the AWS API, schedules. */
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { Settings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { LambdaName } from '../registry/source.ts';
import type { JobView, QueueTotals } from '../store/queue/views.ts';
import { StoreThread } from '../store/store-thread.ts';
import type { Invocation, Trigger } from '../worker/invocation.ts';
import { IDEMPOTENCY_KEY } from './limits.ts';

/** What an invocation has besides its event. */
export type CallContext = Pick<Invocation, 'trace' | 'clientContext' | 'qualifier'>;

export interface EnqueueFacts extends CallContext {
  /** The same key with the same event is the same call for a day; with another event it is refused. */
  idempotencyKey?: string | undefined;
  /** `pubsub` if it is not given. */
  trigger?: Trigger;
}

export type QueueSettings = Pick<Settings, 'async_dir' | 'async_max' | 'async_mb' | 'async_dead_max'>;

export interface AsyncQueueOptions {
  settings: QueueSettings;
  /** Absolute path of the built store/thread.ts. */
  threadProgram: string;
  /** Whether there is such a lambda; rather yes, if nobody knows. */
  exists: (lambda: LambdaName) => Promise<boolean>;
  /** Called when there is something to run. */
  onEnqueued: (lambda: LambdaName) => void;
  log: Log;
}

export const QUEUE_FILE = 'queue.db';

export class AsyncQueue {
  readonly #options: AsyncQueueOptions;
  readonly store: StoreThread<'queue'>;

  constructor(options: AsyncQueueOptions) {
    this.#options = options;
    const { threadProgram: program, log, settings } = options;
    this.store = new StoreThread({ program, order: { store: 'queue', options: queueOptions(settings) }, log });
  }

  /**
   * Resolves with the call's id, which is its request id, when it is on the disk. Rejects with Failure:
   * `lambda-missing`, `event-invalid`, `idempotency-key-invalid`, `idempotency-conflict`, `async-full`,
   * `async-no-room`, `store-full`, `store-unavailable`, `async-unavailable`.
   */
  async enqueue(lambda: LambdaName, event: Uint8Array, facts: EnqueueFacts = {}): Promise<string> {
    const { idempotencyKey: key, trigger = 'pubsub', ...context } = facts;
    if (key !== undefined && !IDEMPOTENCY_KEY.test(key)) {
      const message = 'An Idempotency-Key has 1 to 255 visible ASCII characters.';
      throw new Failure('idempotency-key-invalid', message);
    }
    if (!(await this.#options.exists(lambda))) {
      throw new Failure('lambda-missing', `There is no lambda ${lambda} in the registry.`);
    }
    // A copy of exactly its size, which can go over to the thread as it is: the event may lie in a larger buffer.
    const own = new Uint8Array(event);
    const job = { id: uuidV7(), lambda, trigger, event: own, key, context: contextOf(context) };
    const accepted = await this.#asked(this.store.ask('enqueue', { ...job, nowMs: Date.now() }, [own.buffer]));
    if (accepted.isNew) this.#options.onEnqueued(lambda);
    return accepted.id;
  }

  /** Undefined if there is no such call of that lambda, or no longer. */
  async look(lambda: LambdaName, id: string): Promise<JobView | undefined> {
    const job = await this.#asked(this.store.ask('look', { id }));
    return job?.lambda === lambda ? job : undefined;
  }

  totals(): Promise<QueueTotals> {
    return this.#asked(this.store.ask('totals', {}));
  }

  close(): Promise<void> {
    return this.store.close();
  }

  async #asked<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'machine-unfit') throw error;
      const message = `${error.message}; \`admin doctor\` says how to mend it.`;
      throw new Failure('async-unavailable', message, { cause: error });
    }
  }
}

function contextOf(context: CallContext): string | undefined {
  const json = JSON.stringify(context);
  return json === '{}' ? undefined : json;
}

export function queueOptions(settings: QueueSettings) {
  return {
    path: join(settings.async_dir, QUEUE_FILE),
    jobsMax: settings.async_max,
    bytesMax: settings.async_mb * 1_048_576,
    deadMax: settings.async_dead_max,
  };
}
