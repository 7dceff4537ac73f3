/** Answers of handlers in JavaScript that come bit by bit: generators, streams, and AWS's own way. */
import { request } from 'node:http';
import { beforeAll, describe, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();

const STREAM = `
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
const waysByPath = {
  '/lines': function* () { for (let n = 0; n < 3; n += 1) yield { n }; },
  '/async': async function* () { yield 'ä'; await delay(5); yield new Uint8Array([98]); },
  '/bytes': async function* () { yield Buffer.from([255, 0]); },
  '/head': async function* () {
    yield { statusCode: 202, headers: { 'content-type': 'text/css' }, cookies: ['c=3'], body: 'first ' };
    yield 'second';
  },
  '/none': function* () {},
  '/web': () => new ReadableStream({ start(to) { to.enqueue('one '); to.enqueue('two'); to.close(); } }),
  '/readable': () => Readable.from(['one ', 'two']),
  '/slow': async function* () { yield 'one\\n'; await delay(25_000); },
  '/breaks': async function* () { yield 'begun'; throw new RangeError('on the way'); },
  '/at-once': async function* () { throw new RangeError('at once'); },
  '/endless': function* () { for (;;) yield Buffer.alloc(65_536); },
  '/never': async function* () { yield 'begun'; await new Promise(() => {}); },
};
export const handler = async (event) => waysByPath[event.rawPath ?? '/head']();
`;

const AWS = `
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
export const handler = awslambda.streamifyResponse(async (event, responseStream, context) => {
  const path = event.rawPath ?? '/whole';
  if (path === '/raises') throw new TypeError('before a word');
  if (path === '/breaks') { responseStream.write('begun'); throw new TypeError('after a word'); }
  if (path === '/plain') { responseStream.setContentType('text/plain'); responseStream.write('plain'); return; }
  if (path === '/left') { void delay(20).then(() => responseStream.end('left')); return; }
  const head = { statusCode: 201, headers: { 'content-type': 'text/html', 'x-id': context.awsRequestId }, cookies: ['a=1'] };
  const stream = awslambda.HttpResponseStream.from(responseStream, head);
  if (path === '/piped') { await pipeline(Readable.from(['x'.repeat(100_000), 'y']), stream); return; }
  stream.write('one ');
  await delay(5);
  stream.write('two');
  stream.end();
});
`;

beforeAll(() => {
  cluster().install('stream', { 'lambda_func.mjs': STREAM });
  cluster().install('aws', { 'index.mjs': AWS });
});

const get = (path: string, init: RequestInit = {}) => fetch(`${cluster().url()}/fn/${path}`, init);

async function busy(lambda: string): Promise<boolean> {
  const answer = await fetch(`${cluster().url()}/status`, { headers: { Accept: 'application/json' } });
  const { sandboxes } = (await answer.json()) as { sandboxes: { lambda: string; state: string }[] };
  return sandboxes.some((one) => one.lambda === lambda && one.state === 'busy');
}

describe('what a handler returns', () => {
  test.each([
    ['lines', 200, 'application/x-ndjson', '{"n":0}\n{"n":1}\n{"n":2}\n'],
    ['async', 200, 'text/plain; charset=utf-8', 'äb'],
    ['head', 202, 'text/css', 'first second'],
    ['none', 200, 'application/octet-stream', ''],
    ['web', 200, 'text/plain; charset=utf-8', 'one two'],
    ['readable', 200, 'text/plain; charset=utf-8', 'one two'],
  ])('is answered bit by bit: /%s', async (path, status, type, text) => {
    const answer = await get(`stream/${path}`);
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([status, type, text]);
  });

  test('is read before the handler has ended, which it does when nobody reads any more', async () => {
    const reading = new AbortController();
    const answer = await get('stream/slow', { signal: reading.signal });
    const first = await answer.body!.getReader().read();
    expect(Buffer.from(first.value!).toString()).toBe('one\n');
    expect(await busy('stream')).toBe(true);
    reading.abort();
    await expect.poll(() => busy('stream'), { timeout: 10_000 }).toBe(false);
  });

  test('is made no faster than it is read', async () => {
    const sent = request(`${cluster().url()}/fn/stream/endless`, { agent: false });
    const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject).end();
    });
    answer.pause();
    for (let looks = 0; looks < 20; looks += 1) expect(await busy('stream')).toBe(true);
    sent.destroy();
    await expect.poll(() => busy('stream'), { timeout: 10_000 }).toBe(false);
  });

  test('never looks whole if it has failed on the way, and is an error if nothing has been said', async () => {
    for (const path of ['stream/breaks', 'stream/never', 'aws/breaks']) {
      const answer = await get(path);
      expect(answer.status, path).toBe(200);
      await expect(answer.text(), path).rejects.toThrow();
    }
    for (const path of ['stream/at-once', 'aws/raises']) expect((await get(path)).status, path).toBe(502);
    expect((await get('stream/head')).status).toBe(202);
  });

  test('comes all at once to those who take no parts', async () => {
    expect((await cluster().call('stream')).json).toEqual({
      statusCode: 202,
      headers: { 'content-type': 'text/css' },
      cookies: ['c=3'],
      body: 'first second',
      isBase64Encoded: false,
    });
    const bytes = await cluster().call('stream', { rawPath: '/bytes' });
    expect(bytes.json).toMatchObject({ body: '/wA=', isBase64Encoded: true });
    const endless = await cluster().call('stream', { rawPath: '/endless' });
    expect([endless.status, endless.json.errorType]).toEqual([500, 'Function.ResponseSizeTooLarge']);
  });
});

describe('awslambda.streamifyResponse', () => {
  test('writes status, headers, cookies and body', async () => {
    const answer = await get('aws/whole');
    expect([answer.status, answer.headers.get('content-type'), answer.headers.getSetCookie()]).toEqual([
      201,
      'text/html',
      ['a=1'],
    ]);
    expect(answer.headers.get('x-id')).toBe(answer.headers.get('x-request-id'));
    expect(await answer.text()).toBe('one two');
  });

  test('is ended by the handler, by what it has left to others, or for it', async () => {
    expect(await (await get('aws/piped')).text()).toBe(`${'x'.repeat(100_000)}y`);
    const plain = await get('aws/plain');
    expect([plain.headers.get('content-type'), await plain.text()]).toEqual(['text/plain', 'plain']);
    expect(await (await get('aws/left')).text()).toBe('left');
  });

  test('is collected for those who take no parts', async () => {
    expect((await cluster().call('aws')).json).toMatchObject({ statusCode: 201, cookies: ['a=1'], body: 'one two' });
  });

  test('comes as AWS’s event stream to InvokeWithResponseStream', async () => {
    const path = '/2021-11-15/functions/aws/response-streaming-invocations';
    const answer = await fetch(`${cluster().url()}${path}`, { method: 'POST', body: '{}' });
    const bytes = Buffer.from(await answer.arrayBuffer()).toString('latin1');
    expect(bytes).toContain('{"statusCode":201,');
    expect(bytes).toMatch(/\0{8}.*PayloadChunk.*one .*PayloadChunk.*two.*InvokeComplete/s);
  });
});
