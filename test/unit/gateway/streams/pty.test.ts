/** A client's WebSocket to a terminal, over real sockets; only the terminal is scripted. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { SOCKET_UNREAD_BYTES_MAX } from '../../../../src/gateway/limits.ts';
import { streamPty } from '../../../../src/gateway/streams/pty.ts';
import { clientSocket } from '../../../../src/gateway/streams/socket.ts';
import type { SessionHost } from '../../../../src/session/host.ts';
import type { Pty } from '../../../../src/session/kernel.ts';

const PIECE = Buffer.alloc(65_536, 'x');
const PIECES = 1_024;

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Prints as long as it is let. */
class Talker implements Pty {
  printed = 0;
  #paused = false;
  #hear: (bytes: Buffer) => void = () => {};
  readonly ended = new Promise<number>(() => {});
  get isPaused(): boolean {
    return this.#paused;
  }
  write(): void {}
  resize(): void {}
  close(): void {}
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    this.#talk();
  }
  onData(hear: (bytes: Buffer) => void): void {
    this.#hear = hear;
    this.#talk();
  }
  #talk(): void {
    if (this.#paused || this.printed === PIECES) return;
    this.printed += 1;
    this.#hear(PIECE);
    setImmediate(() => this.#talk());
  }
}

async function client(pty: Pty): Promise<WebSocket> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  closers.push(() => server.close());
  const host = { pty: async () => pty } as unknown as SessionHost;
  server.on('connection', (socket) => streamPty(clientSocket(socket), { id: 's', host }));
  await once(server, 'listening');
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  closers.push(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

describe('a terminal', () => {
  test('whose client does not read prints no more, and goes on when it does', async () => {
    const talker = new Talker();
    const socket = await client(talker);
    let heard = 0;
    socket.on('message', (data) => {
      heard += Buffer.from(JSON.parse(data.toString()).data, 'base64').length;
    });
    socket.pause();
    await expect.poll(() => talker.isPaused || talker.printed === PIECES, { timeout: 20_000 }).toBe(true);
    // What lies in the sockets of both ends comes on top.
    expect(talker.printed * PIECE.length).toBeLessThan(SOCKET_UNREAD_BYTES_MAX + 24_000_000);
    socket.resume();
    await expect.poll(() => heard, { timeout: 20_000 }).toBe(PIECES * PIECE.length);
  });
});
