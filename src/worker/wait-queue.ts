import { Failure } from '../config/failure.ts';
import { Deadline } from '../lib/deadline.ts';
import type { Invocation } from './invocation.ts';
import type { Outcome } from './outcome.ts';

export interface Waiter {
  readonly invocation: Invocation;
  /** Monotonic. */
  readonly sinceMs: number;
  /** What became of it: answered by an instance, or refused. */
  readonly outcome: Promise<Outcome>;
  answer(outcome: Outcome): void;
  /** An instance runs his event from now on; he is answered with what becomes of it. */
  follow(running: Promise<Outcome>): void;
}

/** Calls of one lambda that wait for an instance, first come, first served, each with a deadline. */
export class WaitQueue {
  readonly #waitMsMax: number;
  /** In order of arrival. Not an array: those who give up leave from the middle. */
  readonly #waiters = new Set<Waiter>();
  /** Of the first: all may wait equally long. */
  readonly #deadline = new Deadline(() => this.#onDue());

  constructor(waitMsMax: number) {
    this.#waitMsMax = waitMsMax;
  }

  get size(): number {
    return this.#waiters.size;
  }

  headWaitMs(): number {
    for (const waiter of this.#waiters) return performance.now() - waiter.sinceMs;
    return 0;
  }

  /** Takes the last place. Whoever waits there is refused at the deadline, and leaves when the caller does. */
  join(invocation: Invocation): Waiter {
    const waiter = newWaiter(invocation);
    if (this.#waiters.size === 0) this.#deadline.set(this.#waitMsMax);
    this.#waiters.add(waiter);
    invocation.caller.onGone(() => this.#leave(waiter, { kind: 'abandoned' }));
    return waiter;
  }

  /** The one who has waited longest; he is out of the queue. */
  shift(): Waiter | undefined {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      return waiter;
    }
    return undefined;
  }

  refuse(waiter: Waiter, failure: Failure): void {
    this.#leave(waiter, { kind: 'refused', failure });
  }

  refuseAll(failure: Failure): void {
    for (const waiter of [...this.#waiters]) this.refuse(waiter, failure);
    this.#deadline.close();
  }

  #leave(waiter: Waiter, outcome: Outcome): void {
    if (this.#waiters.delete(waiter)) waiter.answer(outcome);
  }

  /** Whoever was first when the deadline was set has waited long enough, or has been served. */
  #onDue(): void {
    for (const waiter of this.#waiters) {
      const restMs = waiter.sinceMs + this.#waitMsMax - performance.now();
      // A timer may be early by a part of a millisecond.
      if (restMs >= 1) {
        this.#deadline.set(restMs);
        return;
      }
      this.refuse(waiter, this.#late());
    }
  }

  #late(): Failure {
    return new Failure('queue-timeout', `No instance became free within ${this.#waitMsMax} ms; the event was not run.`);
  }
}

function newWaiter(invocation: Invocation): Waiter {
  let answer!: Waiter['answer'];
  let fail!: (error: unknown) => void;
  const outcome = new Promise<Outcome>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  const sinceMs = performance.now();
  const follow = (running: Promise<Outcome>): void => {
    const queueMs = performance.now() - sinceMs;
    running.then((ran) => {
      if ('run' in ran) ran.run.queueMs = queueMs;
      answer(ran);
    }, fail);
  };
  return { invocation, sinceMs, outcome, answer, follow };
}
