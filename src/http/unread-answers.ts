/**
 * The memory for answers that nobody has read yet. A call is over when its answer is made, and whoever asked may
 * take it slowly, or never; the answer is kept until then. When all of them together are too much, the connections
 * that have kept theirs waiting longest are cut: who reads at all has read by then.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../lib/log.ts';
import { UNREAD_ANSWER_BYTES, UNREAD_ANSWERS_BYTES_MAX, UNREAD_STALL_MS } from './limits.ts';

export interface UnreadAnswersOptions {
  bytesMax?: number;
  stallMs?: number;
  log: Log;
}

export class UnreadAnswers {
  readonly #bytesMax: number;
  readonly #stallMs: number;
  readonly #log: Log;
  /** The connection that began to keep answers waiting first comes first. */
  readonly #bytesOf = new Map<Socket, number>();
  #bytes = 0;

  constructor({ bytesMax = UNREAD_ANSWERS_BYTES_MAX, stallMs = UNREAD_STALL_MS, log }: UnreadAnswersOptions) {
    this.#bytesMax = bytesMax;
    this.#stallMs = stallMs;
    this.#log = log;
  }

  /** Bytes that wait now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** To be told of each answer before it is written. */
  hold({ socket }: IncomingMessage, outgoing: ServerResponse, bytes: number): void {
    const inTurn = outgoing.socket !== null;
    // A small one fits into the kernel's buffers, unless it has to wait for others of its connection.
    if ((inTurn && bytes <= UNREAD_ANSWER_BYTES) || socket.destroyed) return;
    const before = this.#bytesOf.get(socket);
    if (before === undefined) socket.once('close', () => this.#take(socket, this.#bytesOf.get(socket) ?? 0));
    this.#bytesOf.set(socket, (before ?? 0) + bytes);
    this.#bytes += bytes;
    outgoing.once('close', () => this.#take(socket, bytes));
    if (inTurn) this.#watch(socket, outgoing);
    if (this.#bytes > this.#bytesMax) this.#cut();
  }

  /** To be told of each answer that comes bit by bit, and waits for who reads it. */
  follow({ socket }: IncomingMessage, outgoing: ServerResponse): void {
    if (outgoing.socket !== null) this.#watch(socket, outgoing);
  }

  /** Node counts what goes out as progress. When all is out it sets a limit of its own, unless a call is waiting. */
  #watch(socket: Socket, outgoing: ServerResponse): void {
    socket.setTimeout(this.#stallMs);
    outgoing.prependOnceListener('finish', () => socket.setTimeout(0));
  }

  #take(socket: Socket, bytes: number): void {
    const before = this.#bytesOf.get(socket);
    if (before === undefined) return;
    if (bytes >= before) this.#bytesOf.delete(socket);
    else this.#bytesOf.set(socket, before - bytes);
    this.#bytes -= Math.min(bytes, before);
  }

  #cut(): void {
    for (const [socket, bytes] of this.#bytesOf) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#take(socket, bytes);
      socket.destroy();
      this.#log('warn', 'a connection was cut: nobody read its answers, and others need the memory', { bytes });
    }
  }
}
