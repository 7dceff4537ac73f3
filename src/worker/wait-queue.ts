import { Failure } from '../config/failure.ts';
import { Deadline } from '../lib/deadline.ts';
import type { Invocation } from './invocation.ts';
import type { Outcome } from './outcome.ts';

/** One who waits. In the queue he stands between two others; out of it he holds nobody. */
export class Waiter {
  readonly invocation: Invocation;
  /** Monotonic. */
  readonly sinceMs = performance.now();
  /** What became of it: answered by an instance, or refused. */
  readonly outcome: Promise<Outcome>;
  before: Waiter | undefined;
  behind: Waiter | undefined;
  waits = true;
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

/**
 * Calls of one lambda that wait for an instance, first come, first served, each with a deadline.
 *
 * A list, and not a Set: each table that a Set has outgrown holds on to the next one and to what stood in it, so that
 * V8 copies every call twice before it finds out that nobody needs it.
 */
export class WaitQueue {
  readonly #waitMsMax: number;
  #first: Waiter | undefined;
  #last: Waiter | undefined;
  #size = 0;
  /** Of the first: all may wait equally long. */
  readonly #deadline = new Deadline(() => this.#onDue());

  constructor(waitMsMax: number) {
    this.#waitMsMax = waitMsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Of those, whose caller waits as well. */
  get awaited(): number {
    let awaited = 0;
    for (let waiter = this.#first; waiter !== undefined; waiter = waiter.behind) {
      if (waiter.invocation.trigger === 'http') awaited += 1;
    }
    return awaited;
  }

  headWaitMs(): number {
    return this.#first === undefined ? 0 : performance.now() - this.#first.sinceMs;
  }

  /** Takes the last place. Whoever waits there is refused at the deadline, and leaves when the caller does. */
  join(invocation: Invocation): Waiter {
    const waiter = new Waiter(invocation);
    if (this.#last === undefined) {
      this.#deadline.set(this.#waitMsMax);
      this.#first = waiter;
    } else {
      this.#last.behind = waiter;
      waiter.before = this.#last;
    }
    this.#last = waiter;
    this.#size += 1;
    invocation.caller.onGone(() => this.#leave(waiter, { kind: 'abandoned' }));
    return waiter;
  }

  /** The one who has waited longest; he is out of the queue. */
  shift(): Waiter | undefined {
    const waiter = this.#first;
    if (waiter !== undefined) this.#remove(waiter);
    return waiter;
  }

  refuse(waiter: Waiter, failure: Failure): void {
    this.#leave(waiter, { kind: 'refused', failure });
  }

  refuseAll(failure: Failure): void {
    while (this.#first !== undefined) this.refuse(this.#first, failure);
    this.#deadline.close();
  }

  #leave(waiter: Waiter, outcome: Outcome): void {
    if (!waiter.waits) return;
    this.#remove(waiter);
    waiter.answer(outcome);
  }

  #remove(waiter: Waiter): void {
    const { before, behind } = waiter;
    if (before === undefined) this.#first = behind;
    else before.behind = behind;
    if (behind === undefined) this.#last = before;
    else behind.before = before;
    waiter.before = undefined;
    waiter.behind = undefined;
    waiter.waits = false;
    this.#size -= 1;
  }

  /** Whoever was first when the deadline was set has waited long enough, or has been served. */
  #onDue(): void {
    while (this.#first !== undefined) {
      const restMs = this.#first.sinceMs + this.#waitMsMax - performance.now();
      // A timer may be early by a part of a millisecond.
      if (restMs >= 1) {
        this.#deadline.set(restMs);
        return;
      }
      this.refuse(this.#first, this.#late());
    }
  }

  #late(): Failure {
    return new Failure('queue-timeout', `No instance became free within ${this.#waitMsMax} ms; the event was not run.`);
  }
}
