/** Callers who do not read what they have asked for, over real sockets. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { bytes } from '../../../src/gateway/answers.ts';
import { toldOfProblem } from '../../../src/gateway/api-problem.ts';
import { addRoutes, type Route, sectionOf } from '../../../src/gateway/route.ts';
import { createApp } from '../../../src/http/app.ts';
import { BodyMemory } from '../../../src/http/body-memory.ts';
import { listen } from '../../../src/http/listen.ts';
import { measured } from '../../../src/http/request-metrics.ts';
import { UnreadAnswers } from '../../../src/http/unread-answers.ts';
import { Metrics } from '../../../src/lib/metrics.ts';

const PIECE = Buffer.alloc(1_048_576, 'x');
/** More than the kernel takes off anybody's hands. */
const PIECES = 64;

/** A gateway with one route; resolves to a client that has asked, and has read nothing yet. */
async function unread(run: Route['run'], options: { bytesMax?: number; stallMs?: number }): Promise<Socket> {
  const bodies = new BodyMemory({ bodyBytesMax: 1 });
  const section = sectionOf('Large', [
    { method: 'GET', path: '/large', majors: [], need: 'nothing', answers: 'much', run } satisfies Route,
  ]);
  const app = createApp([{ ...section, told: toldOfProblem }], {} as never);
  const held = new UnreadAnswers({ ...options, log: () => {} });
  addRoutes(app, section, { bodies, unread: held, log: () => {} } as never);
  const listener = await listen(measured(app, new Metrics()), { host: '127.0.0.1', port: 0, bodies, log: () => {} });
  onTestFinished(() => listener.close(0));
  const client = connect({ port: listener.port, host: '127.0.0.1' });
  onTestFinished(() => void client.destroy());
  client.on('error', () => {});
  client.write('GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  return client;
}

test('are cut when all that is left unread takes too much memory', async () => {
  const large = Buffer.concat(Array.from({ length: PIECES }, () => PIECE));
  const client = await unread(() => bytes(large, 'text/plain'), { bytesMax: 1_000_000 });
  let heard = 0;
  client.on('data', (data) => {
    heard += data.length;
  });
  await once(client, 'close');
  expect(heard).toBeLessThan(large.length);
});

test('are cut when they read nothing for long of what comes bit by bit', async () => {
  let sent = 0;
  let left = false;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1;
        controller.enqueue(PIECE);
      },
      cancel() {
        left = true;
      },
    });
  await unread(() => new Response(endless()), { stallMs: 100 });
  await expect.poll(() => left).toBe(true);
  expect(sent).toBeLessThan(PIECES);
});
