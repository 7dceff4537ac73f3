/**
 * A store as the main thread sees it: it asks, and is answered when what it asked for is on the disk.
 *
 * What is asked in one turn of the event loop goes over in one message. A thread that has ended, or could
 * not open its database, is started again by a later ask, not more often than once a second: disks get
 * emptied and files repaired while a worker runs.
 */
import { Worker } from 'node:worker_threads';
import { Failure } from '../config/failure.ts';
import { assertNever } from '../lib/assert-never.ts';
import { type Deferred, deferred } from '../lib/deferred.ts';
import type { Log } from '../lib/log.ts';
import type { Answer, Ask, FailureFacts, FromThread, ToThread } from './batches.ts';
import { failureOf, storeAnswer } from './store-answer.ts';
import type { StoreName, StoreOps, ThreadOrder } from './thread.ts';

const RESTART_MS = 1_000;

export interface StoreThreadOptions<Name extends StoreName> {
  /** Absolute path of the built store/thread.ts. */
  program: string;
  order: ThreadOrder<Name>;
  log: Log;
}

type Args<Ops, Op extends keyof Ops> = Ops[Op] extends { run(args: infer A): unknown } ? A : never;
type Result<Ops, Op extends keyof Ops> = Ops[Op] extends { run(args: never): infer R } ? R : never;

export class StoreThread<Name extends StoreName> {
  readonly #options: StoreThreadOptions<Name>;
  readonly #pending = new Map<number, Deferred<unknown>>();
  #asks: Ask[] = [];
  #transfer: ArrayBuffer[] = [];
  #lastId = 0;
  #thread: Worker | undefined;
  #ended: Promise<void> = Promise.resolve();
  #startedMs = Number.NEGATIVE_INFINITY;
  /** Why there is no thread. */
  #failure: Failure | undefined;
  /** Of those, the last that was logged. */
  #said: string | undefined;
  #closed = false;

  constructor(options: StoreThreadOptions<Name>) {
    this.#options = options;
  }

  /**
   * Resolves when what it wrote is on the disk. What is in `transfer` is the thread's from the next turn on.
   * Rejects with Failure: the op's own, `store-full`, `store-unavailable`, or `machine-unfit` without SQLite.
   */
  ask<Op extends keyof StoreOps<Name> & string>(
    op: Op,
    args: Args<StoreOps<Name>, Op>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Result<StoreOps<Name>, Op>> {
    const problem = this.#closed ? new Failure('stopping', 'The worker is stopping.') : this.#ready();
    if (problem !== undefined) return Promise.reject(problem);
    this.#lastId += 1;
    const answer = deferred<unknown>();
    this.#pending.set(this.#lastId, answer);
    this.#asks.push({ id: this.#lastId, op, args });
    this.#transfer.push(...transfer);
    if (this.#asks.length === 1) setImmediate(() => this.#send());
    return answer.promise as Promise<Result<StoreOps<Name>, Op>>;
  }

  /** Resolves when all that was asked is answered and the database is closed. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#send();
    this.#post({ kind: 'close' });
    await this.#ended;
  }

  #ready(): Failure | undefined {
    if (this.#thread !== undefined) return undefined;
    const early = performance.now() - this.#startedMs < RESTART_MS;
    if (this.#failure !== undefined && (early || this.#failure.code === 'machine-unfit')) return this.#failure;
    this.#start();
    return undefined;
  }

  #start(): void {
    const { program, order } = this.#options;
    this.#startedMs = performance.now();
    const thread = new Worker(program, { workerData: order });
    let cause: unknown;
    thread.on('message', (message: FromThread) => this.#hear(message));
    thread.on('error', (error) => {
      cause = error;
    });
    this.#ended = new Promise((resolve) => {
      thread.on('exit', () => {
        this.#onEnd(cause);
        resolve();
      });
    });
    this.#thread = thread;
    this.#failure = undefined;
  }

  #send(): void {
    if (this.#asks.length === 0) return;
    this.#post({ kind: 'asks', asks: this.#asks }, this.#transfer);
    this.#asks = [];
    this.#transfer = [];
  }

  #post(message: ToThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread?.postMessage(message, transfer);
  }

  #hear(message: FromThread): void {
    switch (message.kind) {
      case 'answers':
        this.#said = undefined;
        for (const answer of message.answers) this.#settle(answer);
        return;
      case 'unopened':
        this.#failure = unopened(message.failure);
        return;
      default:
        assertNever(message);
    }
  }

  #settle(answer: Answer): void {
    const asked = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    try {
      asked?.resolve(storeAnswer(answer));
    } catch (error) {
      asked?.reject(error as Error);
    }
  }

  /** Whether what it was asked for has reached the disk is unknown; nobody was told that it has. */
  #onEnd(cause: unknown): void {
    this.#thread = undefined;
    const { log, order } = this.#options;
    if (this.#failure !== undefined) {
      if (this.#failure.message !== this.#said) {
        log('error', 'a store can not be opened', { store: order.store, reason: this.#failure.message });
      }
      this.#said = this.#failure.message;
    } else if (!this.#closed || this.#pending.size > 0) {
      log('error', 'the thread of a store has ended', { store: order.store, err: cause });
      this.#failure = new Failure('store-unavailable', 'The thread that keeps this has ended.', { cause });
    }
    const failure = this.#failure ?? new Failure('stopping', 'The worker is stopping.');
    for (const asked of this.#pending.values()) asked.reject(failure);
    this.#pending.clear();
    this.#asks = [];
    this.#transfer = [];
  }
}

/** That the file is no database, or of a newer version, is the same to callers as any other trouble with it. */
function unopened(facts: FailureFacts): Failure {
  const code = facts.code === 'machine-unfit' ? facts.code : 'store-unavailable';
  return failureOf({ ...facts, code });
}
