import { Failure } from '../config/failure.ts';
import { Deadline } from '../lib/deadline.ts';
import { type Linked, LinkedList } from '../lib/linked-list.ts';
import type { Invocation } from './invocation.ts';
import type { Outcome } from './outcome.ts';

export class Waiter implements Linked<Waiter> {
  readonly invocation: Invocation;
  /** Monotonic. */
  readonly sinceMs = performance.now();
  /** What became of it: answered by an instance, or refused. */
  readonly outcome: Promise<Outcome>;
  before: Waiter | undefined;
  behind: Waiter | undefined;
  listed = false;
  #answer!: (outcome: Outcome) => void;
  #fail!: (error: unknown) => void;

  constructor(invocation: Invocation) {
    this.invocation = invocation;
    this.outcome = new Promise<Outcome>((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
    });
  }

  answer(outcome: Outcome): void {
    this.#answer(outcome);
  }

  /** An instance runs his event from now on; he is answered with what becomes of it. */
  follow(running: Promise<Outcome>): void {
    const queueMs = performance.now() - this.sinceMs;
    running.then((ran) => {
      if ('run' in ran) ran.run.queueMs = queueMs;
      this.#answer(ran);
    }, this.#fail);
  }
}

/** Calls of one lambda that wait for an instance, first come, first served, each with a deadline. */
export class WaitQueue {
  readonly #waitMsMax: number;
  /** In order of arrival; those who give up leave from the middle. */
  readonly #waiters = new LinkedList<Waiter>();
  #awaited = 0;
  /** Of the first: all may wait equally long. */
  readonly #deadline = new Deadline(() => this.#onDue());

  constructor(waitMsMax: number) {
    this.#waitMsMax = waitMsMax;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Of those, whose caller waits as well. */
  get awaited(): number {
    return this.#awaited;
  }

  headWaitMs(): number {
    const { first } = this.#waiters;
    return first === undefined ? 0 : performance.now() - first.sinceMs;
  }

  /** Takes the last place. Whoever waits there is refused at the deadline, and leaves when the caller does. */
  join(invocation: Invocation): Waiter {
    const waiter = new Waiter(invocation);
    if (this.#waiters.size === 0) this.#deadline.set(this.#waitMsMax);
    this.#waiters.push(waiter);
    if (isAwaited(waiter)) this.#awaited += 1;
    invocation.caller.onGone(() => this.#leave(waiter, { kind: 'abandoned' }));
    return waiter;
  }

  /** The one who has waited longest; he is out of the queue. */
  shift(): Waiter | undefined {
    const { first } = this.#waiters;
    if (first !== undefined) this.#remove(first);
    return first;
  }

  refuse(waiter: Waiter, failure: Failure): void {
    this.#leave(waiter, { kind: 'refused', failure });
  }

  refuseAll(failure: Failure): void {
    for (let { first } = this.#waiters; first !== undefined; { first } = this.#waiters) this.refuse(first, failure);
    this.#deadline.close();
  }

  #leave(waiter: Waiter, outcome: Outcome): void {
    if (this.#remove(waiter)) waiter.answer(outcome);
  }

  /** False if he has left before. */
  #remove(waiter: Waiter): boolean {
    if (!this.#waiters.remove(waiter)) return false;
    if (isAwaited(waiter)) this.#awaited -= 1;
    return true;
  }

  /** Whoever was first when the deadline was set has waited long enough, or has been served. */
  #onDue(): void {
    for (let { first } = this.#waiters; first !== undefined; { first } = this.#waiters) {
      const restMs = first.sinceMs + this.#waitMsMax - performance.now();
      // A timer may be early by a part of a millisecond.
      if (restMs >= 1) {
        this.#deadline.set(restMs);
        return;
      }
      this.refuse(first, this.#late());
    }
  }

  #late(): Failure {
    return new Failure('queue-timeout', `No instance became free within ${this.#waitMsMax} ms; the event was not run.`);
  }
}

function isAwaited({ invocation }: Waiter): boolean {
  return invocation.trigger === 'http';
}
