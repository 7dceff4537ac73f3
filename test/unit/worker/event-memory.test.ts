import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { Serving } from './serving.ts';

const MB = 1_000_000;
let serving: Serving;
const sockets: Socket[] = [];

/** Room for four events of the largest size. */
async function serve(): Promise<void> {
  serving = await new Serving({ eventBytesMax: MB, largeBytesMax: 4 * MB, concurrencyMax: 10 }).open();
  serving.lambda('hello');
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await expect.poll(() => serving.bodies.takenBytes).toBe(0);
  await serving.close();
});

/** An event of that many bytes, which waits at the gate of its sandbox, or for ever, if it is to. */
function event(bytes: number, waits?: 'gate' | 'hang'): string {
  const head = waits === undefined ? '{"x":"' : `{"${waits}":1,"x":"`;
  return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
}

async function open(head: string, body = ''): Promise<Socket> {
  const socket = connect(serving.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.write(`POST /runLambda/hello HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n${body}`, () => resolve());
  });
  return socket;
}

/** Lets all end that wait at a gate, those included that come to one now. */
async function allEnd(): Promise<void> {
  const open = () => {
    for (const sandbox of serving.engine.live) sandbox.openGate();
    return serving.bodies.takenBytes;
  };
  await expect.poll(open).toBe(0);
}

function said(socket: Socket): Promise<string> {
  return new Promise((resolve) => socket.once('data', (data) => resolve(data.toString())));
}

/** Four that have announced a large event and send nothing of it. */
async function fill(): Promise<Socket[]> {
  const holders = [];
  for (let n = 0; n < 4; n += 1) holders.push(await open(`Content-Length: ${MB}`));
  await expect.poll(() => serving.bodies.takenBytes).toBe(4 * MB);
  return holders;
}

describe('large events have a limit in all', () => {
  test('above which they are refused at once, in the one shape', async () => {
    await serve();
    const busy = Array.from({ length: 4 }, () => serving.send('POST', '/runLambda/hello', { body: event(MB, 'gate') }));
    await expect.poll(() => serving.bodies.takenBytes).toBe(4 * MB);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => serving.send('POST', '/runLambda/hello', { body: event(MB) })),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 503,
        headers: { 'retry-after': '1', 'access-control-allow-origin': '*' },
      });
      expect(JSON.parse(answer.text)).toMatchObject({ errorType: 'Worker.EventMemoryFull' });
    }
    await allEnd();
    for (const answer of await Promise.all(busy)) expect(answer.status).toBe(200);
    expect((await serving.send('POST', '/runLambda/hello', { body: event(MB) })).status).toBe(200);
  });

  test('that counts what is announced, before it has been sent', async () => {
    await serve();
    await fill();
    expect(await said(await open(`Content-Length: ${MB}`))).toMatch(/^HTTP\/1.1 503 .*Worker.EventMemoryFull/s);
    expect(await said(await open(`Content-Length: ${MB}\r\nExpect: 100-continue`))).toMatch(/^HTTP\/1.1 503 /);
  });

  test('that counts what comes in pieces as it comes', async () => {
    await serve();
    await fill();
    const socket = await open('Transfer-Encoding: chunked', `10000\r\n${'x'.repeat(65_536)}\r\n`);
    await expect.poll(() => serving.bodies.takenBytes).toBe(4 * MB + 65_536);
    socket.write(`1\r\nx\r\n`);
    expect(await said(socket)).toMatch(/^HTTP\/1.1 503 /);
  });

  test.each([
    ['a length', `Content-Length: ${MB}`, '', 'x'.repeat(MB)],
    ['pieces', 'Transfer-Encoding: chunked', `10001\r\n${'x'.repeat(65_537)}\r\n`, '3\r\nxyz\r\n0\r\n\r\n'],
  ])('but an event of %s may still come to its end, and the connection stays good', async (_what, head, body, rest) => {
    await serve();
    await fill();
    const socket = await open(head, body);
    expect(await said(socket)).toMatch(/^HTTP\/1.1 503 /);
    await delay(700);
    socket.write(`${rest}POST /runLambda/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n7`);
    expect(await said(socket)).toMatch(/^HTTP\/1.1 200 .*\r\n7$/s);
  });

  test('that small events do not know', async () => {
    await serve();
    await fill();
    const body = event(65_536);
    expect(await serving.send('POST', '/runLambda/hello', { body })).toMatchObject({ status: 200, text: body });
  });

  test('under which there is room again when one has left or been answered, also in a pipeline', async () => {
    await serve();
    for (const holder of await fill()) holder.destroy();
    await expect.poll(() => serving.bodies.takenBytes).toBe(0);
    const three = (large: string) =>
      large + `POST /runLambda/hello HTTP/1.1\r\nHost: a\r\nContent-Length: ${MB}\r\n\r\n${large}`.repeat(2);
    const pipeline = await open(`Content-Length: ${MB}`, three(event(MB, 'gate')));
    await expect.poll(() => serving.bodies.takenBytes).toBe(3 * MB);
    pipeline.resume();
    await allEnd();
    const leaving = await open(`Content-Length: ${MB}`, three(event(MB, 'hang')));
    await expect.poll(() => serving.bodies.takenBytes).toBe(3 * MB);
    leaving.destroy();
  });

  test('is not so small that the largest event allowed never has room', async () => {
    serving = await new Serving({ eventBytesMax: MB, largeBytesMax: 1 }).open();
    serving.lambda('hello');
    expect((await serving.send('POST', '/runLambda/hello', { body: event(MB) })).status).toBe(200);
  });
});
