/**
 * One end of the connection between an agent and its gateway. Both ends can call the other, hear a call's answer bit by
 * bit, and tell something without being answered.
 *
 *   call id method args [bytes]     →  ok id value [bytes] | err id failure
 *   open id method args             →  item id value [bytes]…, then ok | err; the caller sends meanwhile:
 *        tell id value [bytes]         what belongs to the stream
 *        more id count                 so many items have been taken: no more than ITEMS_AHEAD_MAX are under way
 *   drop id                            the caller has gone: nobody waits for the answer
 *   note name value                    for everybody
 *
 * Whatever waits when the connection ends rejects with Failure `unreachable`.
 */
import { Failure } from '../../config/failure.ts';
import { decode, encode, type Frame } from './message.ts';
import { type Patience, tooLate } from './patience.ts';
import { failureOf, wireFailure } from './wire-failure.ts';

export interface Answer {
  value: unknown;
  bytes?: Uint8Array | undefined;
}

/** What the other end calls. */
export interface Served {
  call(
    method: string,
    args: readonly unknown[],
    about: { bytes: Buffer | undefined; signal: AbortSignal },
  ): Promise<Answer>;
  /** The stream is at its end when the promise is settled. */
  open(method: string, args: readonly unknown[], stream: ServedStream): Promise<unknown>;
  note(name: string, value: unknown): void;
}

/** A stream, for who is called. */
export interface ServedStream {
  /** False: the other end has enough for now; `onMore` is told when it has not. */
  send(value: unknown, bytes?: Uint8Array): boolean;
  onTell(hear: (value: unknown, bytes: Buffer | undefined) => void): void;
  onMore(hear: () => void): void;
  /** The caller has gone, or the connection has ended. */
  readonly signal: AbortSignal;
}

/** A stream, for who calls. */
export interface OpenStream {
  tell(value: unknown, bytes?: Uint8Array): void;
  /** An item has been taken. */
  taken(): void;
  /** No more of it. */
  drop(): void;
  /** What the other end had to say last. */
  readonly done: Promise<unknown>;
}

export type HearItem = (value: unknown, bytes: Buffer | undefined) => void;

export interface PeerOptions {
  send(frame: Frame): void;
  served: Served;
  /** Something failed here for which the other end is told no more than that. */
  onFault(method: string, error: unknown): void;
}

/** Items of a stream that are under way at most. */
export const ITEMS_AHEAD_MAX = 8;

/** What may be told to a stream before what it opens is there, in bytes; more ends it. */
export const EARLY_BYTES_MAX = 8_388_608;
/** Whatever is told takes memory by itself. */
const TOLD_BYTES_LEAST = 64;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
  hear: HearItem | undefined;
}

interface Serving {
  id: number;
  method: string;
  abort: AbortController;
  ahead: number;
  /** Undefined until what was opened is there. */
  onTell: HearItem | undefined;
  /** What was told before that. */
  early: [value: unknown, bytes: Buffer | undefined][];
  earlyBytes: number;
  onMore: () => void;
}

export class Peer {
  readonly #options: PeerOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #serving = new Map<number, Serving>();
  #lastId = 0;
  #closed: Failure | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
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
      const drop = (reason: unknown): void => {
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        this.#send(['drop', id]);
        waiting?.reject(reason as Error);
      };
      const gone = (): void => drop(signal?.reason);
      const timer = patience && setTimeout(() => drop(tooLate(method, patience)), patience.ms);
      const settled =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', gone);
          settle(value);
        };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject), hear: undefined });
      signal?.addEventListener('abort', gone, { once: true });
      this.#options.send(frame);
    });
  }

  open(method: string, args: readonly unknown[], hear: HearItem): OpenStream {
    if (this.#closed !== undefined) throw this.#closed;
    const id = this.#nextId();
    const done = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve: ({ value }) => resolve(value), reject, hear });
    });
    this.#send(['open', id, method, args]);
    let taken = 0;
    return {
      done,
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
    else if (kind === 'call') void this.#serve(this.#begin(id, String(what)), listOf(args), bytes);
    else if (kind === 'open') void this.#stream(this.#begin(id, String(what)), listOf(args));
    else if (kind === 'ok') this.#settle(id)?.resolve({ value: what, bytes });
    else if (kind === 'err') this.#settle(id)?.reject(failureOf(what));
    else if (kind === 'item') this.#waiting.get(id)?.hear?.(what, bytes);
    else if (kind === 'tell') this.#told(id, what, bytes);
    else if (kind === 'more') this.#more(id, Number(what));
    else if (kind === 'drop') this.#serving.get(id)?.abort.abort(new Failure('unreachable', 'whoever asked has gone'));
    else throw new Error(`a message of kind ${kind}`);
  }

  /** The connection has ended. Idempotent. */
  close(reason: Failure): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    for (const waiting of [...this.#waiting.values()]) waiting.reject(reason);
    this.#waiting.clear();
    for (const { abort } of [...this.#serving.values()]) abort.abort(reason);
    this.#serving.clear();
  }

  async #serve({ id, method, abort }: Serving, args: readonly unknown[], bytes: Buffer | undefined): Promise<void> {
    try {
      const answer = await this.#options.served.call(method, args, { bytes, signal: abort.signal });
      const frame = encode(['ok', id, answer.value ?? null], answer.bytes);
      if (this.#serving.delete(id)) this.#options.send(frame);
    } catch (error) {
      this.#fail(id, method, error);
    }
  }

  async #stream(serving: Serving, args: readonly unknown[]): Promise<void> {
    const { id, method } = serving;
    const stream: ServedStream = {
      send: (value, bytes) => {
        if (!this.#serving.has(id)) return false;
        serving.ahead += 1;
        this.#send(['item', id, value], bytes);
        return serving.ahead < ITEMS_AHEAD_MAX;
      },
      onTell: (hear) => {
        serving.onTell = hear;
        for (const told of serving.early.splice(0)) hear(...told);
      },
      onMore: (hear) => {
        serving.onMore = hear;
      },
      signal: serving.abort.signal,
    };
    try {
      const value = await this.#options.served.open(method, args, stream);
      if (this.#serving.delete(id)) this.#send(['ok', id, value ?? null]);
    } catch (error) {
      this.#fail(id, method, error);
    }
  }

  /** Throws Error if it has begun already. */
  #begin(id: number, method: string): Serving {
    if (this.#serving.has(id)) throw new Error(`call ${id} twice`);
    const serving: Serving = {
      id,
      method,
      abort: new AbortController(),
      ahead: 0,
      onTell: undefined,
      early: [],
      earlyBytes: 0,
      onMore: () => {},
    };
    this.#serving.set(id, serving);
    return serving;
  }

  #told(id: number, value: unknown, bytes: Buffer | undefined): void {
    const serving = this.#serving.get(id);
    if (serving === undefined) return;
    if (serving.onTell !== undefined) serving.onTell(value, bytes);
    else {
      serving.earlyBytes += TOLD_BYTES_LEAST + (bytes?.length ?? String(value).length);
      serving.early.push([value, bytes]);
      if (serving.earlyBytes <= EARLY_BYTES_MAX) return;
      serving.early = [];
      serving.abort.abort(new Failure('session-invalid', 'too much was told before there was anybody to hear it'));
    }
  }

  #more(id: number, count: number): void {
    const serving = this.#serving.get(id);
    if (serving === undefined) return;
    serving.ahead = Math.max(0, serving.ahead - count);
    serving.onMore();
  }

  #fail(id: number, method: string, error: unknown): void {
    if (!(error instanceof Failure)) this.#options.onFault(method, error);
    if (this.#serving.delete(id)) this.#send(['err', id, wireFailure(error)]);
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

function listOf(args: unknown): readonly unknown[] {
  if (Array.isArray(args)) return args;
  throw new Error('a call without a list of arguments');
}
