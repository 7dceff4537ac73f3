/** A client's WebSocket to a terminal, over real sockets; only the terminal is scripted. */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { Failure } from '../../../../src/config/failure.ts';
import { SOCKET_UNREAD_BYTES_MAX } from '../../../../src/gateway/limits.ts';
import { streamPty } from '../../../../src/gateway/streams/pty.ts';
import { clientSocket } from '../../../../src/gateway/streams/socket.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
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

/** Says what was done to it. */
class Quiet implements Pty {
  readonly #ended = deferred<number>();
  readonly ended = this.#ended.promise;
  isClosed = false;
  written = '';
  write(bytes: Uint8Array): void {
    this.written += Buffer.from(bytes);
  }
  resize(): void {}
  pause(): void {}
  resume(): void {}
  onData(): void {}
  close(): void {
    this.isClosed = true;
    this.end(129);
  }
  end(exitCode: number): void {
    this.#ended.resolve(exitCode);
  }
}

function client(pty: Pty): Promise<WebSocket> {
  return clientOf(async () => pty);
}

async function clientOf(pty: () => Promise<Pty>): Promise<WebSocket> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  closers.push(() => server.close());
  const host = { pty } as unknown as SessionHost;
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

  test('that can not be had says why, and the connection ends', async () => {
    const refused = deferred<Pty>();
    const socket = await clientOf(() => refused.promise);
    const said: unknown[] = [];
    socket.on('message', (data) => said.push(JSON.parse(data.toString())));
    refused.reject(new Failure('unreachable', 'agent a has not answered'));
    const [code] = await once(socket, 'close');
    expect(said).toEqual([{ type: 'error', reason: 'instance-not-available', data: 'agent a has not answered' }]);
    expect(code).toBe(1011);
  });

  test('that is lost is told from one that has ended', async () => {
    const codes: number[] = [];
    for (const exitCode of [-1, 0]) {
      const shell = new Quiet();
      const socket = await client(shell);
      shell.end(exitCode);
      codes.push((await once(socket, 'close'))[0]);
    }
    expect(codes).toEqual([1011, 1000]);
  });

  test('is one, however many were asked for at once', async () => {
    const shells: Quiet[] = [];
    const first = deferred<void>();
    const socket = await clientOf(async () => {
      const shell = new Quiet();
      shells.push(shell);
      if (shells.length === 1) first.resolve();
      return shell;
    });
    await first.promise;
    const raw = (socket as unknown as { _socket: Socket })._socket;
    raw.cork();
    for (let asked = 0; asked < 3; asked += 1) socket.send('{"type": "restart"}');
    socket.send(JSON.stringify({ type: 'stdin', chars: Buffer.from('ls').toString('base64') }));
    raw.uncork();
    await expect.poll(() => shells.at(-1)?.written).toBe('ls');
    expect(shells.map(({ isClosed }) => isClosed)).toEqual([true, true, true, false]);
  });
});
