/** What the other end of a link has called and not been answered yet. */
import { Failure } from '../../config/failure.ts';
import { encode, type Frame } from './message.ts';
import { wireFailure } from './wire-failure.ts';

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
  /** What was opened is there. */
  opened(): void;
  /** False: the other end has enough for now; `onMore` is told when it has not. */
  send(value: unknown, bytes?: Uint8Array): boolean;
  onTell(hear: (value: unknown, bytes: Buffer | undefined) => void): void;
  onMore(hear: () => void): void;
  /** The caller has gone, or the connection has ended. */
  readonly signal: AbortSignal;
}

export type HearItem = (value: unknown, bytes: Buffer | undefined) => void;

/** Items of a stream that are under way at most. */
export const ITEMS_AHEAD_MAX = 8;

/** What may be told to a stream before what it opens is there, in bytes; more ends it. */
export const EARLY_BYTES_MAX = 8_388_608;
/** Whatever is told takes memory by itself. */
const TOLD_BYTES_LEAST = 64;

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

export interface ServingOptions {
  send(frame: Frame): void;
  served: Served;
  /** Something failed here for which the other end is told no more than that. */
  onFault(method: string, error: unknown): void;
}

export class ServedCalls {
  readonly #options: ServingOptions;
  readonly #serving = new Map<number, Serving>();

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  /** Throws Error if there is one of that number already. */
  call(id: number, method: string, args: unknown, bytes: Buffer | undefined): void {
    void this.#serve(this.#begin(id, method), listOf(args), bytes);
  }

  /** As above. */
  open(id: number, method: string, args: unknown): void {
    void this.#stream(this.#begin(id, method), listOf(args));
  }

  told(id: number, value: unknown, bytes: Buffer | undefined): void {
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

  more(id: number, count: number): void {
    const serving = this.#serving.get(id);
    if (serving === undefined) return;
    serving.ahead = Math.max(0, serving.ahead - count);
    serving.onMore();
  }

  /** Whoever asked has gone. */
  drop(id: number, reason: Failure): void {
    this.#serving.get(id)?.abort.abort(reason);
  }

  /** Nobody can be answered any more. */
  close(reason: Failure): void {
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
      opened: () => {
        if (this.#serving.has(id)) this.#send(['opened', id]);
      },
      send: (value, bytes) => {
        if (!this.#serving.has(id)) return false;
        serving.ahead += 1;
        return this.#item(serving, value, bytes) && serving.ahead < ITEMS_AHEAD_MAX;
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

  /** One that can not be sent ends the stream: whoever has made it is no caller that could be told. */
  #item({ id, method, abort }: Serving, value: unknown, bytes: Uint8Array | undefined): boolean {
    try {
      this.#send(['item', id, value], bytes);
      return true;
    } catch (error) {
      this.#fail(id, method, error);
      abort.abort(error);
      return false;
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

  #fail(id: number, method: string, error: unknown): void {
    if (!(error instanceof Failure)) this.#options.onFault(method, error);
    if (this.#serving.delete(id)) this.#send(['err', id, wireFailure(error)]);
  }

  #send(head: readonly unknown[], bytes?: Uint8Array): void {
    this.#options.send(encode(head, bytes));
  }
}

function listOf(args: unknown): readonly unknown[] {
  if (Array.isArray(args)) return args;
  throw new Error('a call without a list of arguments');
}
