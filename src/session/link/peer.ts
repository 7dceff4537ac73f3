/**
 * One end of the connection between an agent and its gateway. Both ends can call the other, hear a call's answer bit by
 * bit, and tell something without being answered.
 *
 *   call id method args [bytes]     →  ok id value [bytes] | err id failure
 *   open id method args             →  opened id, item id value [bytes]…, then ok | err; the caller sends meanwhile:
 *        tell id value [bytes]         what belongs to the stream
 *        more id count                 so many items have been taken: no more than ITEMS_AHEAD_MAX are under way
 *   drop id                            the caller has gone: nobody waits for the answer
 *   note name value                    for everybody
 *
 * Whatever waits when the connection ends rejects with Failure `unreachable`.
 */
import { Failure } from '../../config/failure.ts';
import { deferred } from '../../lib/deferred.ts';
import { decode, encode } from './message.ts';
import { type Patience, tooLate } from './patience.ts';
import { type Answer, type HearItem, ITEMS_AHEAD_MAX, ServedCalls, type ServingOptions } from './served-calls.ts';
import { failureOf } from './wire-failure.ts';

/** A stream, for who calls. */
export interface OpenStream {
  tell(value: unknown, bytes?: Uint8Array): void;
  /** An item has been taken. */
  taken(): void;
  /** No more of it. */
  drop(): void;
  /** Resolves when the other end has it; rejects as `done` does if that ends before. */
  readonly opened: Promise<void>;
  /** What the other end had to say last. */
  readonly done: Promise<unknown>;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
  /** Of a stream. */
  hear?: HearItem;
  opened?(): void;
}

export class Peer {
  readonly #options: ServingOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #served: ServedCalls;
  #lastId = 0;
  #closed: Failure | undefined;

  constructor(options: ServingOptions) {
    this.#options = options;
    this.#served = new ServedCalls(options);
  }

  /** Calls that wait for their answer. */
  get waiting(): number {
    return this.#waiting.size;
  }

  call(
    method: string,
    args: readonly unknown[],
    about: { bytes?: Uint8Array | undefined; signal?: AbortSignal | undefined; patience?: Patience } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closed;
      const { signal, bytes, patience } = about;
      signal?.throwIfAborted();
      const id = this.#nextId();
      // Before anything waits for its answer: it may be too large to be sent.
      const frame = encode(['call', id, method, args], bytes);
      const gone = (): void => this.#giveUp(id, signal?.reason as Error);
      const timer = patience && setTimeout(() => this.#giveUp(id, tooLate(method, patience)), patience.ms);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', gone);
          settle(value);
        };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      signal?.addEventListener('abort', gone, { once: true });
      this.#options.send(frame);
    });
  }

  /** The stream may last; what it is of must be there in time. */
  open(method: string, args: readonly unknown[], hear: HearItem, patience: Patience): OpenStream {
    if (this.#closed !== undefined) throw this.#closed;
    const id = this.#nextId();
    const frame = encode(['open', id, method, args]);
    const there = deferred<void>();
    const end = deferred<unknown>();
    const timer = setTimeout(() => this.#giveUp(id, tooLate(method, patience)), patience.ms);
    const opened = (): void => {
      clearTimeout(timer);
      there.resolve();
    };
    this.#waiting.set(id, {
      resolve: ({ value }) => {
        opened();
        end.resolve(value);
      },
      reject: (error) => {
        clearTimeout(timer);
        there.reject(error);
        end.reject(error);
      },
      hear,
      opened,
    });
    // Who waits for one of them does not for the other.
    for (const { promise } of [there, end]) promise.catch(() => {});
    this.#options.send(frame);
    let taken = 0;
    return {
      opened: there.promise,
      done: end.promise,
      tell: (value, bytes) => {
        if (this.#waiting.has(id)) this.#send(['tell', id, value], bytes);
      },
      taken: () => {
        taken += 1;
        if (taken < ITEMS_AHEAD_MAX / 2 || !this.#waiting.has(id)) return;
        this.#send(['more', id, taken]);
        taken = 0;
      },
      drop: () => {
        const waiting = this.#waiting.get(id);
        if (waiting === undefined) return;
        this.#waiting.delete(id);
        this.#send(['drop', id]);
        waiting.resolve({ value: null });
      },
    };
  }

  note(name: string, value: unknown): void {
    this.#send(['note', name, value]);
  }

  /** Takes a frame. Throws Error if it is none: the other end is not to be talked to then. */
  take(data: Buffer, isBinary: boolean): void {
    const { head, bytes } = decode(data, isBinary);
    const [kind, id, what, args] = head;
    if (kind === 'note') this.#options.served.note(String(id), what);
    else if (typeof id !== 'number') throw new Error('a message without the number of its call');
    else if (kind === 'call') this.#served.call(id, String(what), args, bytes);
    else if (kind === 'open') this.#served.open(id, String(what), args);
    else if (kind === 'ok') this.#settle(id)?.resolve({ value: what, bytes });
    else if (kind === 'err') this.#settle(id)?.reject(failureOf(what));
    else if (kind === 'opened') this.#waiting.get(id)?.opened?.();
    else if (kind === 'item') this.#waiting.get(id)?.hear?.(what, bytes);
    else if (kind === 'tell') this.#served.told(id, what, bytes);
    else if (kind === 'more') this.#served.more(id, Number(what));
    else if (kind === 'drop') this.#served.drop(id, new Failure('unreachable', 'whoever asked has gone'));
    else throw new Error(`a message of kind ${kind}`);
  }

  /** The connection has ended. Idempotent. */
  close(reason: Failure): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const waiting of [...this.#waiting.values()]) waiting.reject(reason);
    this.#waiting.clear();
    this.#served.close(reason);
  }

  /** The other end is told that nobody waits for it any more. */
  #giveUp(id: number, reason: Error): void {
    this.#send(['drop', id]);
    this.#settle(id)?.reject(reason);
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #send(head: readonly unknown[], bytes?: Uint8Array): void {
    if (this.#closed === undefined) this.#options.send(encode(head, bytes));
  }
}
