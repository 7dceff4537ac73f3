/** A login shell on a terminal of its own in a session's sandbox. */
import type { WebSocket } from 'ws';
import { deferred } from '../lib/deferred.ts';
import { ProblemError } from './problem.ts';

export interface PtySize {
  rows: number;
  columns: number;
}

export interface PtyListeners {
  onData(bytes: Buffer): void;
}

export class Pty {
  /** Resolves when the shell has ended or was hung up. Rejects with ProblemError if the gateway says why not. */
  readonly ended: Promise<void>;
  readonly #socket: WebSocket;

  /** @internal Takes a stream that is open and paused. */
  constructor(socket: WebSocket, { onData }: PtyListeners) {
    this.#socket = socket;
    const end = deferred<void>();
    this.ended = end.promise;
    this.ended.catch(() => {}); // Whoever awaits it is told.
    socket.on('message', (data) => {
      const said = JSON.parse(String(data)) as PtyMessage;
      if (said.type === 'out') onData(Buffer.from(said.data, 'base64'));
      if (said.type === 'error') end.reject(new ProblemError(0, { body: { title: said.reason, detail: said.data } }));
    });
    socket.on('close', () => end.resolve());
    socket.resume();
  }

  write(bytes: string | Uint8Array): void {
    this.#send({ type: 'stdin', chars: Buffer.from(bytes as Uint8Array).toString('base64') });
  }

  resize({ rows, columns }: PtySize): void {
    this.#send({ type: 'resize', rows, cols: columns });
  }

  /** Another shell in its place. */
  restart(): void {
    this.#send({ type: 'restart' });
  }

  /** Hangs up. Resolves when it is gone. */
  async close(): Promise<void> {
    this.#socket.close();
    await this.ended;
  }

  /** What is sent after the end is for nobody. */
  #send(message: object): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

type PtyMessage = { type: 'out'; data: string } | { type: 'error'; reason: string; data?: string };
