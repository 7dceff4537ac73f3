/**
 * The stream over which a session's executions are watched, kept from one to the next: opening one takes longer than a
 * short cell. Executions that are watched at the same time have one each.
 */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Connection } from './connection.ts';

export class KeptStream {
  readonly #connection: Connection;
  readonly #path: string;
  #idle: WebSocket | undefined;
  /** While it is idle a program that has nothing else to do may end. */
  readonly #transports = new WeakMap<WebSocket, Socket>();

  constructor(connection: Connection, path: string) {
    this.#connection = connection;
    this.#path = path;
  }

  /** One that is open; perhaps paused. Throws as Connection.stream does. */
  async take(signal: AbortSignal | undefined): Promise<WebSocket> {
    const idle = this.#idle;
    this.#idle = undefined;
    if (idle !== undefined && idle.readyState === idle.OPEN) {
      this.#transports.get(idle)?.ref();
      return idle;
    }
    const { socket, transport } = await this.#connection.stream(this.#path, signal);
    this.#transports.set(socket, transport);
    return socket;
  }

  /** An execution has ended over it: the next may have it. */
  give(socket: WebSocket): void {
    if (this.#idle === undefined && socket.readyState === socket.OPEN) {
      this.#idle = socket;
      this.#transports.get(socket)?.unref();
    } else socket.close();
  }

  close(): void {
    this.#idle?.close();
    this.#idle = undefined;
  }
}
