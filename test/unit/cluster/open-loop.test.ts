import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LoadOrder, openLoop } from '../../../src/cluster/open-loop.ts';

let server: Server;
let answer: (response: ServerResponse, number: number) => void;
let asked: string[];
let stop: AbortController;
let order: LoadOrder;

beforeEach(async () => {
  asked = [];
  answer = (response) => response.setHeader('Server-Timing', 'queue;dur=0.5, run;dur=1').end('1');
  server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => answer(response, asked.push(`${request.method} ${request.url} ${body}`)));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  stop = new AbortController();
  order = {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    path: '/runLambda/x',
    event: Buffer.from('{"a":1}'),
    perSecond: 200,
    forMs: 250,
    gaps: 'even',
    openMax: 1_000,
    waitMs: 10_000,
    signal: stop.signal,
  };
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('an open loop', () => {
  it('sends as many calls as were due, with the event, and tells the times of each', async () => {
    const { served, failed, unsent, lateMs } = await openLoop(order);
    expect(asked).toHaveLength(50);
    expect(new Set(asked)).toEqual(new Set(['POST /runLambda/x {"a":1}']));
    expect(served).toHaveLength(50);
    expect(lateMs).toHaveLength(50);
    expect([failed.size, unsent]).toEqual([0, 0]);
    for (const one of served) expect(one).toMatchObject({ cold: false, parts: { queue: 0.5, run: 1 } });
  });

  it('sends as many, whatever the gap between them is rounded to', async () => {
    const rates = Array.from({ length: 20 }, (_, at) => 10 * (at + 1));
    const results = await Promise.all(rates.map((perSecond) => openLoop({ ...order, perSecond, forMs: 200 })));
    expect(results.map(({ served }) => served.length)).toEqual(rates.map((perSecond) => perSecond / 5));
  });

  it('does not wait for answers, and counts what a call waited from when it was due', async () => {
    const held: ServerResponse[] = [];
    // Nothing is answered before the last call has come.
    answer = (response, number) => {
      held.push(response);
      if (number === 50) for (const one of held) one.end('1');
    };
    const { served, tookMs } = await openLoop(order);
    expect(served).toHaveLength(50);
    // The first was due at the beginning.
    expect(Math.max(...served.map((one) => one.tookMs))).toBeGreaterThan(245);
    expect(tookMs).toBeGreaterThan(245);
  });

  it('sends none beyond those that may be under way, and says how many that were', async () => {
    answer = () => undefined;
    const { served, failed, unsent } = await openLoop({ ...order, openMax: 3, waitMs: 400 });
    expect(asked).toHaveLength(3);
    expect(unsent).toBe(47);
    expect(served).toEqual([]);
    expect([...failed]).toEqual([['no answer within 0.4 s', 3]]);
  });

  it('counts failures by what was said', async () => {
    answer = (response, number) => {
      if (number <= 10) response.writeHead(404).end('{"errorType":"Lambda.NotFound","errorMessage":"no"}');
      else if (number <= 20) response.writeHead(503).end('busy');
      else response.destroy();
    };
    const { failed, served } = await openLoop(order);
    expect(served).toEqual([]);
    expect(Object.fromEntries(failed)).toEqual({ 'Lambda.NotFound': 10, 'HTTP status 503': 10, ECONNRESET: 30 });
  });

  it('tells a call that loaded the code from others', async () => {
    answer = (response, number) =>
      response
        .setHeader('Server-Timing', number === 1 ? 'queue;dur=0, init;dur=2, run;dur=1' : 'queue;dur=0, run;dur=1')
        .end('1');
    const { served } = await openLoop(order);
    expect(served.filter(({ cold }) => cold)).toHaveLength(1);
  });

  it('ends early when it is told to, with what was measured', async () => {
    answer = (response, number) => {
      response.end('1');
      if (number === 5) stop.abort();
    };
    const { served } = await openLoop({ ...order, forMs: 3_600_000, perSecond: 20 });
    expect(served.length).toBeGreaterThanOrEqual(5);
  });

  it('has random gaps with the mean that was asked for', async () => {
    await openLoop({ ...order, gaps: 'random', perSecond: 2_000, forMs: 500 });
    // 1,000 are expected; 6 standard deviations are 190.
    expect(asked.length).toBeGreaterThan(800);
    expect(asked.length).toBeLessThan(1_200);
  });
});
