/**
 * The worker's end of one sandbox's channel: one call in flight, one frame there, one frame back.
 *
 * Whatever the other side does wrong (a frame out of turn, a frame too long, an unknown kind, hanging up)
 * breaks the channel for good, with the reason remembered: a sandbox that has misbehaved is never reused.
 */
import type { Socket } from 'node:net';
import { encodeFrameHead, FRAME_KIND, type Frame, FrameReader } from './frame.ts';
import type { Call, Loaded, Reply, Timings } from './sandbox.ts';

/** An answer of the code; the end of the sandbox is the engine's to tell. */
export type Answer = Exclude<Reply, { kind: 'ended' }>;
export type LoadAnswer = Exclude<Loaded, { kind: 'ended' }>;

type Kinds = ReadonlyMap<number, (Answer | LoadAnswer)['kind']>;

const ANSWER_KINDS: Kinds = new Map([
  [FRAME_KIND.result, 'result'],
  [FRAME_KIND.raised, 'raised'],
  [FRAME_KIND.initFailed, 'init-failed'],
  [FRAME_KIND.eventInvalid, 'event-invalid'],
]);

const LOAD_ANSWER_KINDS: Kinds = new Map([
  [FRAME_KIND.loaded, 'loaded'],
  [FRAME_KIND.initFailed, 'init-failed'],
]);

/** Frame overhead and a typed error with a long traceback, on top of the largest legal answer. */
const ANSWER_SLACK_BYTES = 256 * 1024;

export interface ChannelOptions {
  /** Called once, when the channel can not be used any more. */
  onBroken(reason: string): void;
}

export class Channel {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #options: ChannelOptions;
  #waiting: ((answer: Answer | LoadAnswer) => void) | undefined;
  /** What may be said to the one who waits. */
  #kinds = ANSWER_KINDS;
  #broken = false;

  constructor(socket: Socket, options: ChannelOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(ANSWER_SLACK_BYTES);
    socket.on('data', (piece: Buffer) => this.#receive(piece));
    socket.on('error', (error) => this.#break(`its channel failed: ${error.message}`));
    socket.on('close', () => this.#break('it closed its channel'));
  }

  /** How large answers may be, once it is known whose they are. */
  expect(responseBytesMax: number): void {
    this.#reader.payloadBytesMax = responseBytesMax + ANSWER_SLACK_BYTES;
  }

  /** The promise stays pending when the channel breaks: `onBroken` tells. */
  send(call: Call): Promise<Answer> {
    return new Promise((resolve) => {
      this.#await(resolve as (answer: Answer | LoadAnswer) => void, ANSWER_KINDS);
      const meta = `{"id":${JSON.stringify(call.requestId)},"deadline":${Math.floor(call.deadlineMs)}}`;
      this.#socket.cork();
      this.#socket.write(encodeFrameHead(FRAME_KIND.call, meta, call.event.byteLength));
      this.#socket.write(call.event);
      this.#socket.uncork();
    });
  }

  /** Asks whether the code has loaded. The promise stays pending when the channel breaks, too. */
  load(): Promise<LoadAnswer> {
    return new Promise((resolve) => {
      this.#await(resolve as (answer: Answer | LoadAnswer) => void, LOAD_ANSWER_KINDS);
      this.#socket.write(encodeFrameHead(FRAME_KIND.load, '', 0));
    });
  }

  #await(resolve: (answer: Answer | LoadAnswer) => void, kinds: Kinds): void {
    if (this.#waiting !== undefined) throw new Error('a call is in flight on this channel already');
    this.#waiting = resolve;
    this.#kinds = kinds;
  }

  /**
   * Closes it once all is read that a side sent which has ended meanwhile. Its last answer may still lie in the
   * socket when somebody else tells of its end.
   */
  async hearOut(waitMsMax: number): Promise<void> {
    if (this.#waiting !== undefined && !this.#broken) {
      const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
      const timer = setTimeout(() => this.close(), waitMsMax);
      await closed;
      clearTimeout(timer);
    }
    this.close();
  }

  close(): void {
    this.#broken = true;
    this.#socket.destroy();
  }

  #receive(piece: Buffer): void {
    try {
      // Also half a frame: it would become the head of the next answer.
      if (this.#waiting === undefined) throw new Error('bytes that nobody asked for');
      for (const frame of this.#reader.push(piece)) this.#deliver(frame);
    } catch (error) {
      this.#break(`it sent what is no answer: ${(error as Error).message}`);
    }
  }

  #deliver(frame: Frame): void {
    const kind = this.#kinds.get(frame.kind);
    const waiting = this.#waiting;
    if (kind === undefined || waiting === undefined) {
      throw new Error(kind === undefined ? `frame kind ${frame.kind}` : 'an answer nobody asked for');
    }
    const answer: Answer | LoadAnswer = { kind, body: frame.body, timings: parseTimings(frame.meta) };
    this.#waiting = undefined;
    waiting(answer);
  }

  #break(reason: string): void {
    if (this.#broken) return;
    this.close();
    this.#options.onBroken(reason);
  }
}

/** The sandbox writes this itself, so it is believed no further than being two numbers. */
function parseTimings(meta: Buffer): Timings {
  const parsed: unknown = JSON.parse(meta.toString('latin1'));
  const { init_us: initUs, run_us: runUs } = parsed as { init_us?: unknown; run_us?: unknown };
  if (typeof initUs !== 'number' || typeof runUs !== 'number') throw new Error('timings that are no numbers');
  return { initUs, runUs };
}
