/** A client's WebSocket over a line that takes what is written when the test says so. */
import type { IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { SOCKET_UNREAD_BYTES_MAX } from '../../../../src/gateway/limits.ts';
import { clientSocket } from '../../../../src/gateway/streams/socket.ts';

const HANDSHAKE = {
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': Buffer.alloc(16).toString('base64'),
};

const closers: (() => unknown)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

class Line extends Duplex {
  #taken: (() => void) | undefined;

  get isFull(): boolean {
    return this.#taken !== undefined;
  }

  takeOne(): Promise<void> {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
    return turn();
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, taken: () => void): void {
    this.#taken = taken;
  }

  override _writev(_chunks: unknown, taken: () => void): void {
    this.#taken = taken;
  }
}

async function client() {
  const line = new Line();
  const request = { method: 'GET', url: '/', headers: HANDSHAKE } as unknown as IncomingMessage;
  const socket = await new Promise<WebSocket>((resolve) => {
    const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    server.handleUpgrade(request, line, Buffer.alloc(0), resolve);
  });
  closers.push(() => socket.terminate());
  await line.takeOne();
  return { line, socket: clientSocket(socket) };
}

test('who has waited for room is told that there is some, whatever else was sent meanwhile', async () => {
  const { line, socket } = await client();
  let drained = 0;
  socket.onDrained(() => {
    drained += 1;
  });
  expect(socket.send('x'.repeat(SOCKET_UNREAD_BYTES_MAX / 2))).toBe(true);
  expect(socket.send('x'.repeat((SOCKET_UNREAD_BYTES_MAX / 4) * 3))).toBe(false);
  await line.takeOne();
  expect(drained).toBe(0);
  socket.send('pong');
  while (line.isFull) await line.takeOne();
  expect(drained).toBe(1);
});
