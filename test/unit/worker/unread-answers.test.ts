import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { PIPELINED_MAX } from '../../../src/http/limits.ts';
import { Serving, type ServingOptions } from './serving.ts';

/** More than the kernel keeps for a connection that nobody reads from. */
const MB = 1_000_000;
const ANSWER_BYTES = 16 * MB;
let serving: Serving;
const sockets: Socket[] = [];

async function serve(options: ServingOptions): Promise<void> {
  serving = await new Serving(options).open();
  serving.lambda('hello');
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await expect.poll(() => serving.unread.bytes).toBe(0);
  await expect.poll(() => serving.bodies.takenBytes).toBe(0);
  await serving.close();
});

const request = (body: string): string =>
  `POST /runLambda/hello HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const LARGE = `{"answer":${ANSWER_BYTES}}`;

async function send(text: string): Promise<Socket> {
  const socket = connect(serving.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.write(text, () => resolve()));
  return socket;
}

/** How many bytes come until the connection ends, or so many are there. */
function read(socket: Socket, enough = Number.POSITIVE_INFINITY): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    if (socket.destroyed) resolve(0);
    socket.on('close', () => resolve(bytes));
    socket.on('data', (data) => {
      bytes += data.length;
      if (bytes >= enough) resolve(bytes);
    });
  });
}

describe('answers that nobody reads', () => {
  test('are dropped with their connections, those that waited longest first, when all take too much', async () => {
    await serve({ unreadBytesMax: 2.5 * ANSWER_BYTES });
    const waiting: Socket[] = [];
    for (let n = 1; n <= 2; n += 1) {
      waiting.push(await send(request(LARGE)));
      await expect.poll(() => serving.unread.bytes).toBe(n * ANSWER_BYTES);
    }
    const third = await send(request(LARGE));
    await expect.poll(() => serving.logged.join()).toContain('a connection was cut: nobody read its answers');
    expect(serving.unread.bytes).toBe(2 * ANSWER_BYTES);
    expect(await read(waiting[0] as Socket)).toBeLessThan(ANSWER_BYTES);
    for (const socket of [waiting[1] as Socket, third]) {
      expect(await read(socket, ANSWER_BYTES)).toBeGreaterThan(ANSWER_BYTES);
    }
    await expect.poll(() => serving.unread.bytes).toBe(0);
    expect((await serving.run('hello', 1)).text).toBe('1');
  });

  test('count all that one connection has asked for ahead', async () => {
    await serve({ unreadBytesMax: 3 * ANSWER_BYTES });
    const greedy = await send(request(LARGE).repeat(4));
    expect(await read(greedy.pause())).toBeLessThan(4 * ANSWER_BYTES);
  });

  test('are kept for so long, and for longer while they are read', async () => {
    await serve({ stallMs: 1_500 });
    const [unread, slow] = await Promise.all([send(request(LARGE)), send(request(LARGE))]);
    let taken = 0;
    let pauseAt = MB;
    slow.on('data', (data) => {
      taken += data.length;
      if (taken < pauseAt) return;
      pauseAt += MB;
      slow.pause();
      setTimeout(() => slow.resume(), 300);
    });
    await expect.poll(() => taken, { timeout: 30_000 }).toBeGreaterThan(ANSWER_BYTES);
    expect(slow.destroyed).toBe(false);
    await expect.poll(() => serving.unread.bytes, { timeout: 10_000 }).toBe(0);
    expect(await read(unread)).toBeLessThan(ANSWER_BYTES);
  }, 60_000);
});

describe('requests that are sent ahead', () => {
  test('are all answered, in their order, as long as they are not too many', async () => {
    await serve({ queueMax: 1_000 });
    const all = Array.from({ length: PIPELINED_MAX + 1 }, (_, n) => request(JSON.stringify({ sleep: 20, n })));
    const socket = await send(all.join(''));
    let text = '';
    socket.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    await expect.poll(() => text.match(/HTTP\/1\.1 200/g)?.length).toBe(all.length);
    expect([...text.matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n))).toEqual(all.map((_, n) => n));
  });

  test('are waited for after a large answer has been read', async () => {
    await serve({ stallMs: 300 });
    const socket = await send(request(LARGE) + request('{"sleep":1500}'));
    let end = '';
    socket.setEncoding('latin1').on('data', (piece) => {
      end = (end + piece).slice(-20);
    });
    await expect.poll(() => end, { timeout: 20_000 }).toMatch(/\r\n\{"sleep":1500\}$/);
  }, 60_000);

  test('end the connection when they are more, and the worker does nothing for the rest', async () => {
    await serve({ queueMax: 1_000 });
    const socket = await send(request('{"sleep":200}').repeat(900));
    expect(await read(socket)).toBe(0);
    expect((await serving.run('hello', 1)).text).toBe('1');
    expect(serving.records.length).toBeLessThanOrEqual(PIPELINED_MAX + 2);
  });
});
