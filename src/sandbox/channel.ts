/**
 * The worker's end of one sandbox's channel: one call in flight, one frame there, one frame back, and before that one,
 * where the caller takes them, those of an answer that comes bit by bit. Or a conversation instead of calls: messages
 * both ways, whenever there is something to say.
 *
 * Whatever the other side does wrong (a frame out of turn, a frame too long, an unknown kind, hanging up)
 * breaks the channel for good, with the reason remembered: a sandbox that has misbehaved is never reused.
 */
import { connect, type Socket } from 'node:net';
import { asciiJson } from '../lib/ascii-json.ts';
import type { Hear as HearMessage } from './conversation.ts';
import { encodeFrame, FRAME_KIND, type Frame, FrameReader } from './frame.ts';
import type { Call, Loaded, PartSink, Reply, Timings } from './sandbox.ts';

/** An answer of the code; the end of the sandbox is the engine's to tell. */
export type Answer = Exclude<Reply, { kind: 'ended' }> & Spent;
export type LoadAnswer = Exclude<Loaded, { kind: 'ended' }> & Spent;

/** What the sandbox says of its use of memory and output. */
export interface Spent {
  /** Undefined if it has done next to nothing since it was last said, with no other process there. */
  peakBytes: number | undefined;
  /** CPU time since the answer before. */
  cpuUs: number | undefined;
  printed: Printed | undefined;
  /** What loading the code has imported, unread. */
  imported: unknown;
}

/** How long stdout and stderr were before, and when it answered: in bytes, by its own word. */
export type Printed = readonly [begunOut: number, begunErr: number, out: number, err: number];

/** How long stdout and stderr were when a call began, if somebody had printed since the last answer. */
export type PrintedBefore = readonly [out: number, err: number];

type Hear = (answer: Answer | LoadAnswer) => void;
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

/**
 * What all channels are read into, one piece after the other: left to itself, Node takes 64 KiB of memory for each
 * piece and gives most of it back.
 */
const PIECE = Buffer.allocUnsafeSlow(64 * 1024);

const NOTHING = new Uint8Array(0);

/** A message may have as much as this, even if an answer may not: many small things are said at once. */
const MESSAGE_BYTES_MIN = 4 * 1024 * 1024;

/** How much may wait for a side that does not read. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

export interface ChannelOptions {
  /** Called once, when the channel can not be used any more. */
  onBroken(reason: string): void;
  /** Called before the answer to a call, once at most. */
  onPrintedBefore(before: PrintedBefore): void;
}

export class Channel {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #options: ChannelOptions;
  #waiting: Hear | undefined;
  /** What may be said to the one who waits. */
  #kinds = ANSWER_KINDS;
  /** Whether what was printed before the call has been told. */
  #toldBefore = false;
  #broken = false;
  /** Of a conversation, which takes the place of calls. */
  #hear: HearMessage | undefined;
  /** Of the call in flight. */
  #parts: PartSink | undefined;
  #headTold = false;
  /** The one that takes the parts has enough for now. */
  #paused = false;
  readonly #goOn = (): void => {
    this.#paused = false;
    this.#socket.resume();
  };

  /** Connects to a socket that listens; what is sent before that is done waits for it. */
  constructor(path: string, options: ChannelOptions) {
    this.#options = options;
    this.#reader = new FrameReader(ANSWER_SLACK_BYTES);
    const callback = (bytes: number): boolean => {
      this.#receive(PIECE.subarray(0, bytes));
      return !this.#paused;
    };
    this.#socket = connect({ path, onread: { buffer: PIECE, callback } });
    this.#socket.on('error', (error) => this.#break(`its channel failed: ${error.message}`));
    this.#socket.on('close', () => this.#break('it closed its channel'));
  }

  /** How large answers may be, once it is known whose they are. */
  expect(responseBytesMax: number): void {
    this.#reader.payloadBytesMax = responseBytesMax + ANSWER_SLACK_BYTES;
  }

  /** `hear` is called at most once, and not at all when the channel breaks: `onBroken` tells. */
  send(call: Call, hear: (answer: Answer) => void): void {
    this.#await(hear as Hear, ANSWER_KINDS);
    const { requestId, deadlineMs, trace, clientContext, qualifier, event, parts } = call;
    this.#parts = parts;
    this.#headTold = false;
    const traced = trace === undefined ? '' : `,"trace":${JSON.stringify([trace.parent, trace.state])}`;
    const taken = parts === undefined ? '' : ',"parts":true';
    const from = clientContext === undefined ? '' : `,"client":${asciiJson(clientContext)}`;
    const named = qualifier === undefined ? '' : `,"qualifier":"${qualifier}"`;
    this.#write(
      FRAME_KIND.call,
      `{"id":"${requestId}","deadline":${Math.floor(deadlineMs)}${traced}${from}${named}${taken}}`,
      event,
    );
  }

  /** Asks whether the code has loaded; `hear` as in `send`. */
  load(hear: (answer: LoadAnswer) => void): void {
    this.#await(hear as Hear, LOAD_ANSWER_KINDS);
    this.#write(FRAME_KIND.load, '', NOTHING);
  }

  /** From here on there are no calls: all that comes is a message, and told to `hear`. */
  converse(hear: HearMessage): void {
    if (this.#hear !== undefined) throw new Error('a conversation is under way on this channel already');
    this.#hear = hear;
    this.#reader.payloadBytesMax = Math.max(this.#reader.payloadBytesMax, MESSAGE_BYTES_MIN);
  }

  /** `meta` is ASCII. */
  say(meta: string, body: Uint8Array): void {
    if (this.#broken) return;
    this.#write(FRAME_KIND.message, meta, body);
    if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#break('it does not read what it is told');
  }

  #await(hear: Hear, kinds: Kinds): void {
    if (this.#waiting !== undefined) throw new Error('a call is in flight on this channel already');
    this.#waiting = hear;
    this.#kinds = kinds;
    this.#toldBefore = false;
    // The end of the answer before may have come with parts for which there was no room.
    if (this.#paused) this.#goOn();
  }

  #write(kind: number, meta: string, body: Uint8Array): void {
    const [head, rest] = encodeFrame(kind, meta, body);
    if (rest === undefined) {
      this.#socket.write(head);
      return;
    }
    this.#socket.cork();
    this.#socket.write(head);
    this.#socket.write(rest);
    this.#socket.uncork();
  }

  /**
   * Closes it once all is read that a side sent which has ended meanwhile. Its last answer may still lie in the
   * socket when somebody else tells of its end.
   */
  async hearOut(waitMsMax: number): Promise<void> {
    if ((this.#waiting !== undefined || this.#hear !== undefined) && !this.#broken) {
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
      if (this.#waiting === undefined && this.#hear === undefined) throw new Error('bytes that nobody asked for');
      for (const frame of this.#reader.push(piece)) this.#deliver(frame);
    } catch (error) {
      this.#break(`it sent what is no answer: ${(error as Error).message}`);
    }
  }

  #deliver(frame: Frame): void {
    if (this.#hear !== undefined) {
      if (frame.kind !== FRAME_KIND.message) throw new Error(`frame kind ${frame.kind}`);
      this.#hear(frame.meta, frame.body);
      return;
    }
    const waiting = this.#waiting;
    if (frame.kind === FRAME_KIND.printedBefore && waiting !== undefined && !this.#toldBefore) {
      this.#toldBefore = true;
      this.#options.onPrintedBefore(parsePrintedBefore(frame.meta));
      return;
    }
    if (this.#tookPart(frame)) return;
    const kind = this.#kinds.get(frame.kind);
    if (kind === undefined || waiting === undefined) {
      throw new Error(kind === undefined ? `frame kind ${frame.kind}` : 'an answer nobody asked for');
    }
    const { timings, peakBytes, cpuUs, printed, imported } = parseMeta(frame.meta);
    this.#waiting = undefined;
    this.#parts = undefined;
    // Member by member: V8 takes longer to spread two objects than to read the frame.
    waiting({ kind, body: frame.body, timings, peakBytes, cpuUs, printed, imported });
  }

  /** False if it is no part of an answer, or one that nobody asked for. */
  #tookPart({ kind, body }: Frame): boolean {
    const parts = this.#parts;
    if (parts === undefined || kind !== (this.#headTold ? FRAME_KIND.part : FRAME_KIND.head)) return false;
    if (this.#headTold) this.#paused = !parts.part(body, this.#goOn) || this.#paused;
    else parts.head(body);
    this.#headTold = true;
    return true;
  }

  #break(reason: string): void {
    if (this.#broken) return;
    this.close();
    this.#options.onBroken(reason);
  }
}

interface Meta {
  init_us?: unknown;
  run_us?: unknown;
  peak_kb?: unknown;
  cpu_us?: unknown;
  printed?: unknown;
  imported?: unknown;
}

/** The sandbox writes this itself, so it is believed no further than being numbers. */
function parseMeta(meta: Buffer): Spent & { timings: Timings } {
  const said = JSON.parse(meta.toString('latin1')) as Meta;
  const { init_us: initUs, run_us: runUs, peak_kb: peakKb, cpu_us: cpuUs, printed, imported } = said;
  if (typeof initUs !== 'number' || typeof runUs !== 'number') throw new Error('timings that are no numbers');
  const timings: Timings = { initUs, runUs };
  if (peakKb !== undefined && !isCount(peakKb)) throw new Error('memory that is no number');
  if (cpuUs !== undefined && !isCount(cpuUs)) throw new Error('CPU time that is no number');
  if (printed !== undefined && !isPrinted(printed)) throw new Error('lengths of output that are no four numbers');
  return { timings, peakBytes: peakKb === undefined ? undefined : peakKb * 1024, cpuUs, printed, imported };
}

function parsePrintedBefore(meta: Buffer): PrintedBefore {
  const { printed } = JSON.parse(meta.toString('latin1')) as Meta;
  if (Array.isArray(printed) && printed.length === 2 && printed.every(isCount)) return printed as [number, number];
  throw new Error('lengths of output that are no two numbers');
}

function isPrinted(value: unknown): value is Printed {
  return Array.isArray(value) && value.length === 4 && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
