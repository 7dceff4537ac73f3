/**
 * An execution that is watched over a WebSocket. If the connection breaks, the execution goes on, and so does this, from
 * where it was, as soon as the gateway can be reached again.
 *
 * The client chooses the execution's id, so that it knows what to ask for even if the first connection broke before
 * anything was answered: if the gateway then knows of no such execution, it never began, and is begun once more.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { Failure } from '../config/failure.ts';
import { deferred } from '../lib/deferred.ts';
import type { KeptStream } from './kept-stream.ts';
import { RECONNECT_MS, RETRY_MS, RETRY_MS_MAX } from './limits.ts';
import { ProblemError } from './problem.ts';
import { type ConsoleItem, type Display, type Frame, ResultSoFar, type RunResult } from './result.ts';

export interface Listeners {
  onStdout?(text: string): void;
  onStderr?(text: string): void;
  onDisplay?(display: Display): void;
  /** Each item of the console, those of the first two, too; with what was displayed if it is a form of that. */
  onItem?(item: ConsoleItem, display: Display | undefined): void;
  /** A stage of a batch has ended. */
  onStage?(stage: 'clean' | 'build', exitCode: number): void;
  /**
   * The code reads a line: what it is to get, null if there are no more (as ctrl-D says it), or undefined to interrupt it.
   * Without this it is interrupted, and the run rejects.
   */
  onInput?(request: { isPassword: boolean }): Input | Promise<Input>;
  /** The connection broke, or is there again. */
  onConnection?(state: 'lost' | 'back'): void;
}

type Input = string | null | undefined;

/** @internal */
export interface RunOrder {
  mode: 'query' | 'batch' | 'continue';
  code: string;
  runId: string;
  options?: Readonly<Record<string, unknown>> | undefined;
}

/** @internal */
export interface RunOptions extends Listeners {
  stream: KeptStream;
  order: RunOrder;
  interrupt(): Promise<void>;
  endInput(): Promise<void>;
  /** Leaves: the execution goes on without being watched. */
  signal?: AbortSignal | undefined;
}

/** Iterates over the items of its console as they come, from the first one on; often, if that is wanted. */
export class Run implements AsyncIterable<ConsoleItem> {
  readonly runId: string;
  /**
   * Rejects with ProblemError (the gateway refused it), Failure `unreachable` (it was not to be reached again in time;
   * the execution may go on), `usage` (it waits for input that nobody gives), or the signal's reason.
   */
  readonly result: Promise<RunResult>;
  readonly #options: RunOptions;
  readonly #sofar = new ResultSoFar();
  #news = deferred<void>();
  #ended = false;
  #next = 0;
  /** What the gateway knows of it, as far as this knows. */
  #known: 'not' | 'perhaps' | 'surely' = 'not';
  #isAskedAgain = false;
  /** Why it was interrupted from here: what it says of that is not its result. */
  #unanswered: Failure | undefined;
  #socket: WebSocket | undefined;

  /** @internal Session makes them. */
  constructor(options: RunOptions) {
    this.#options = options;
    this.runId = options.order.runId;
    this.#next = Number(options.order.options?.after ?? 0);
    this.result = this.#watch().finally(() => {
      this.#ended = true;
      this.#news.resolve();
    });
    this.result.catch(() => {}); // Whoever awaits it is told; who iterates only is told there.
  }

  interrupt(): Promise<void> {
    return this.#options.interrupt();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ConsoleItem, RunResult, void> {
    for (let at = 0; ; ) {
      for (; at < this.#sofar.items.length; at += 1) yield this.#sofar.items[at] as ConsoleItem;
      if (this.#ended) return await this.result;
      await this.#news.promise;
    }
  }

  async #watch(): Promise<RunResult> {
    for (let lostMs: number | undefined, waitMs = RETRY_MS; ; ) {
      try {
        const { stream, signal } = this.#options;
        signal?.throwIfAborted();
        this.#socket = await stream.take(signal);
        if (lostMs !== undefined) this.#options.onConnection?.('back');
        lostMs = undefined;
        waitMs = RETRY_MS;
        return await this.#converse(this.#socket);
      } catch (error) {
        // Where nothing has ever been there, whoever asks wants to know at once.
        if (this.#socket === undefined || !isPassing(error)) throw error;
        if (lostMs === undefined) this.#options.onConnection?.('lost');
        lostMs ??= performance.now();
        if (performance.now() - lostMs > RECONNECT_MS) throw stillGone(error, this.runId);
      }
      await delay(waitMs, undefined, { signal: this.#options.signal }).catch(() => {}); // The reason is thrown above.
      waitMs = Math.min(waitMs * 2, RETRY_MS_MAX);
    }
  }

  /** Until the last frame. Rejects with Failure `unreachable` if the connection ends before. */
  async #converse(socket: WebSocket): Promise<RunResult> {
    const { signal } = this.#options;
    const end = deferred<RunResult>();
    const fail = (error: unknown) => end.reject(error as Error);
    const leave = () => fail(signal?.reason);
    signal?.addEventListener('abort', leave, { once: true });
    const onMessage = (data: unknown) => {
      try {
        const result = this.#hear(JSON.parse(String(data)), socket, fail);
        if (result !== undefined) end.resolve(result);
      } catch (error) {
        fail(error);
      }
    };
    const onClose = (code: number) => fail(new Failure('unreachable', `the stream was closed with code ${code}`));
    socket.on('message', onMessage).on('close', onClose);
    try {
      socket.send(JSON.stringify({ ...this.#request(), keepOpen: true }), () => {}); // If it breaks, it is closed.
      socket.resume();
      const result = await end.promise;
      socket.off('message', onMessage).off('close', onClose);
      this.#options.stream.give(socket);
      return result;
    } catch (error) {
      socket.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  #request(): object {
    const { order } = this.#options;
    if (this.#known === 'not') {
      this.#known = 'perhaps';
      this.#isAskedAgain = false;
      return order;
    }
    this.#isAskedAgain = this.#known === 'perhaps';
    return { mode: 'continue', code: '', runId: this.runId, options: { after: this.#next } };
  }

  /** The result, with the last frame. Throws what ends the conversation. */
  #hear(frame: Frame | OwnFrame, socket: WebSocket, fail: (error: unknown) => void): RunResult | undefined {
    if ('msg' in frame) throw this.#refusal(frame);
    this.#known = 'surely';
    this.#sofar.add(frame);
    this.#next = frame.next ?? this.#next;
    this.#tell(frame);
    const news = this.#news;
    this.#news = deferred();
    news.resolve();
    if (frame.status === 'waiting-input') this.#answer(frame, socket).catch(fail);
    if (frame.status !== 'finished' && frame.status !== 'exec-timeout') return undefined;
    if (this.#unanswered !== undefined) throw this.#unanswered;
    return this.#sofar.finish(frame);
  }

  #refusal(frame: OwnFrame): Error {
    if (frame.status === 'server-restarting') return new Failure('unreachable', frame.msg);
    if (!this.#isAskedAgain || this.#options.order.mode === 'continue') return new ProblemError(0, { body: frame });
    this.#known = 'not';
    return new Failure('unreachable', `the execution never began: ${frame.msg}`);
  }

  #tell(frame: Frame): void {
    const { onItem, onStdout, onStderr, onDisplay, onStage } = this.#options;
    const displays = [...(frame.displays ?? [])];
    for (const item of frame.console) {
      onItem?.(item, takeDisplayOf(item, displays));
      if (item[0] === 'stdout') onStdout?.(item[1]);
      if (item[0] === 'stderr') onStderr?.(item[1]);
    }
    for (const display of frame.displays ?? []) onDisplay?.(display);
    if (frame.status === 'clean-finished') onStage?.('clean', frame.exitCode ?? 0);
    if (frame.status === 'build-finished') onStage?.('build', frame.exitCode ?? 0);
  }

  async #answer(frame: Frame, socket: WebSocket): Promise<void> {
    const { onInput } = this.#options;
    if (onInput === undefined) {
      this.#unanswered = new Failure(
        'usage',
        'the code waits for a line of input, which `onInput` would give it, and in a terminal `admin session shell`',
      );
      await this.interrupt();
      throw this.#unanswered;
    }
    const line = await onInput({ isPassword: frame.options?.is_password === true });
    // Somebody else has interrupted it while nobody answered, or it is left to itself.
    if (this.#ended || this.#options.signal?.aborted) return;
    if (line === undefined) return this.interrupt();
    if (line === null) return this.#options.endInput();
    // If the connection broke meanwhile, the program waits still, and says so again over the next one.
    if (socket.readyState === socket.OPEN) socket.send(line);
  }
}

/** The first of these that the item is a form of; it is taken out. */
function takeDisplayOf([type, data]: ConsoleItem, displays: Display[]): Display | undefined {
  const mime = type === 'html' ? 'text/html' : type === 'media' ? data[0] : undefined;
  const at = mime === undefined ? -1 : displays.findIndex(({ bundle }) => bundle[mime] !== undefined);
  return at === -1 ? undefined : displays.splice(at, 1)[0];
}

/** What a gateway says of the stream itself. */
type OwnFrame = { status: 'error' | 'server-restarting'; msg: string };

/** The gateway, or the machine behind it, is not there at the moment. */
function isPassing(error: unknown): error is Error {
  if (error instanceof ProblemError) return error.status === 502 || error.status === 503;
  return error instanceof Failure && error.code === 'unreachable';
}

function stillGone(error: Error, runId: string): Failure {
  const hope = `execution ${runId} may go on, and can be watched again by its id`;
  return new Failure('unreachable', `${error.message}; ${hope}`, { cause: error });
}
