import { rmSync, writeFileSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, Serving } from './serving.ts';

let serving: Serving;

beforeEach(async () => {
  serving = await new Serving().open();
  serving.lambda('hello');
});

afterEach(async () => {
  expect((await serving.run('hello', { still: 'alive' })).text).toBe('{"still":"alive"}');
  await serving.close();
});

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, PUT, POST, DELETE, OPTIONS',
  'access-control-allow-headers':
    'Content-Type, Content-Range, Content-Disposition, Content-Description, X-Requested-With',
};

function expectError(answer: Answer, status: number, errorType: string): void {
  expect(JSON.parse(answer.text)).toMatchObject({ errorType, errorMessage: expect.any(String) });
  expect(answer.headers['content-type']).toBe('application/json');
  expect(JSON.parse(answer.text).requestId).toBe(answer.headers['x-request-id']);
  expect(answer.status).toBe(status);
}

test('an event goes in and the result comes out as JSON, byte by byte', async () => {
  const body = ' {"n": 12345678901234567890, "x": 1e999}\n';
  const answer = await serving.send('POST', '/runLambda/hello', { body, headers: { 'content-type': 'text/plain' } });
  expect(answer.text).toBe(body);
  expect(answer.status).toBe(200);
  expect(answer.headers).toMatchObject({ 'content-type': 'application/json', ...CORS });
  expect(answer.headers['server-timing']).toMatch(/^queue;dur=[\d.]+, init;dur=1, run;dur=0.02$/);
});

test('no body is the empty event', async () => {
  expect((await serving.send('POST', '/runLambda/hello')).text).toBe('{}');
});

test('what follows the name is ignored, and the name may be percent-encoded', async () => {
  for (const path of ['hello/more/path', 'hello?x=1&y=/', 'hello/', 'h%65llo', 'hello/../../status']) {
    expect((await serving.send('POST', `/runLambda/${path}`, { body: '1' })).text, path).toBe('1');
  }
});

test('OPTIONS is answered without touching a lambda', async () => {
  const answer = await serving.send('OPTIONS', '/runLambda/nobody');
  expect(answer).toMatchObject({ status: 200, text: '', headers: CORS });
  expect(serving.engine.made).toEqual([]);
});

test.each(['GET', 'PUT', 'DELETE', 'PATCH', 'PROPFIND'])('%s is refused and told what is allowed', async (method) => {
  const answer = await serving.send(method, '/runLambda/hello');
  expectError(answer, 405, 'Request.MethodInvalid');
  expect(answer.headers).toMatchObject({ allow: 'POST, OPTIONS', ...CORS });
});

test('HEAD is refused without a body', async () => {
  expect(await serving.send('HEAD', '/runLambda/hello')).toMatchObject({ status: 405, text: '' });
});

const BAD_NAMES = [
  '',
  '.',
  '..',
  '%2e%2e',
  '%2E',
  'a%2fb',
  '..%2f..%2fetc',
  'a%00',
  'a%0a',
  '%',
  '%zz',
  '%ff',
  '%252e',
];
test.each([...BAD_NAMES, 'a%20b', 'x'.repeat(65), 'a;b', '~root', 'hällo'.replace('ä', '%C3%A4')])(
  'the name %j is refused',
  async (name) => {
    expectError(await serving.send('POST', `/runLambda/${name}`, { body: '1' }), 400, 'Request.NameInvalid');
  },
);

test('POST /runLambda without a name is refused', async () => {
  expectError(await serving.send('POST', '/runLambda'), 400, 'Request.NameInvalid');
});

test('an unknown lambda is not found, again and again', async () => {
  for (let round = 0; round < 5; round += 1) expectError(await serving.run('nobody'), 404, 'Lambda.NotFound');
  expect((await serving.send('GET', '/status')).text).toBe('ready\n');
});

test('a directory without a handler file is not the same as no lambda', async () => {
  const dir = serving.lambda('empty');
  rmSync(join(dir, 'lambda_func.py'));
  writeFileSync(join(dir, 'readme.txt'), '');
  const answer = await serving.run('empty');
  expectError(answer, 500, 'Lambda.Invalid');
  expect(answer.text).toContain('none of lambda_func.py, ');
});

test('an event that is not JSON is found out inside the sandbox, which lives on', async () => {
  const answer = await serving.send('POST', '/runLambda/hello', { body: '{bad' });
  expect(answer).toMatchObject({ status: 400, text: '{"errorType":"Runtime.UnmarshalError"}' });
  await serving.run('hello');
  expect(serving.engine.made).toHaveLength(1);
});

describe('an event over the limit is refused', () => {
  test('by its announced length, before it is sent', async () => {
    const socket = connect(serving.port, '127.0.0.1');
    socket.write('POST /runLambda/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n');
    const said = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.destroy();
    expect(said).toMatch(/^HTTP\/1.1 413 /);
  });

  test('while it comes, if it comes in pieces', async () => {
    const headers = { 'transfer-encoding': 'chunked' };
    const answer = await serving.send('POST', '/runLambda/hello', { body: 'x'.repeat(5000), headers });
    expectError(answer, 413, 'Request.EventTooLarge');
    expect(answer.headers.connection).toBe('close');
  });

  test('and one of just the limit is not', async () => {
    const body = `"${'x'.repeat(998)}"`;
    expect(await serving.send('POST', '/runLambda/hello', { body })).toMatchObject({ status: 200, text: body });
  });
});

test('a client that waits for permission to send gets it', async () => {
  const headers = { expect: '100-continue', 'content-length': '2' };
  expect(await serving.send('POST', '/runLambda/hello', { body: '42', headers })).toMatchObject({ text: '42' });
});

test.each<[string, unknown, number, Record<string, string>]>([
  ['raises', { raise: 1 }, 500, { errorType: 'ValueError' }],
  ['cannot be loaded', { init: 1 }, 500, { errorType: 'X' }],
  [
    'exits',
    { exit: 3 },
    502,
    { errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited with error: exit status 3' },
  ],
  ['is killed', { signal: 'SIGKILL' }, 502, { errorMessage: 'Runtime exited with error: signal: killed' }],
  ['crashes', { signal: 'SIGSEGV' }, 502, { errorMessage: 'Runtime exited with error: signal: segmentation fault' }],
  ['needs too much memory', { oom: 1 }, 502, { errorType: 'Runtime.OutOfMemory' }],
])('a handler that %s is told from the others, and the next call works', async (_what, event, status, body) => {
  const answer = await serving.run('hello', event);
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.text)).toMatchObject(body);
  expect(answer.headers).toMatchObject(CORS);
  expect(await serving.run('hello', 7)).toMatchObject({ status: 200, text: '7' });
});

test('the caller’s request id is kept if it is sane, and made otherwise', async () => {
  const given = await serving.send('POST', '/runLambda/hello', { headers: { 'x-request-id': 'my-id:1.2_3' } });
  expect(given.headers['x-request-id']).toBe('my-id:1.2_3');
  const made = await serving.send('GET', '/nowhere', { headers: { 'x-request-id': 'a b"<' } });
  expect(made.headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expectError(made, 404, 'Request.NotFound');
});

test('the status is a word for people and a document for programs, with any method', async () => {
  await serving.run('hello');
  await serving.run('hello', { raise: 1 });
  await serving.run('nobody');
  for (const method of ['GET', 'POST', 'DELETE']) {
    expect(await serving.send(method, '/status')).toMatchObject({ status: 200, text: 'ready\n' });
  }
  const answer = await serving.send('GET', '/status', { headers: { accept: 'application/json' } });
  expect(JSON.parse(answer.text)).toEqual({
    state: 'ready',
    engine: 'fake',
    uses: ['nothing'],
    python: '3.0.0',
    weaker: ['nothing is real'],
    worker_memory_bytes: expect.any(Number),
    pool: { waiting: 0, target: 0 },
    zygotes: 0,
    loaders: [],
    lambdas: [{ lambda: 'hello', waiting: 0, calls: 2, errors: 1, cold_starts: 1, run_ms: 0 }],
    sandboxes: [
      {
        lambda: 'hello',
        instance: 0,
        engine: 'fake',
        state: expect.stringMatching('idle|paused'),
        age_ms: expect.any(Number),
        calls: 2,
        memory_bytes: 1e6,
      },
    ],
  });
});

describe('what is no proper request does no harm:', () => {
  const cases: [what: string, sent: string, status: number][] = [
    ['garbage', 'garbage\r\n\r\n', 400],
    ['no host', 'POST /runLambda/hello HTTP/1.1\r\n\r\n', 400],
    ['a bad host', 'GET /status HTTP/1.1\r\nHost: a b<>\r\n\r\n', 400],
    ['a backslash', 'GET /\\x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['two lengths', 'POST /status HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', 400],
    ['huge headers', `GET /status HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['another expectation', 'GET /status HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n', 417],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['an absolute target', 'GET http://a/status HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 200],
  ];

  test.each(cases)('%s', async (_what, sent, status) => {
    const socket = connect(serving.port, '127.0.0.1');
    socket.write(sent);
    const said = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
    socket.destroy();
    expect(said.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(said.slice(13, said.indexOf('\r\n'))).toBe(STATUS_CODES[status]);
    expect(said).toMatch(/X-Request-Id: [0-9a-f-]{36}/i);
  });

  test('a client that leaves in the middle of its event', async () => {
    for (let round = 0; round < 20; round += 1) {
      const socket = connect(serving.port, '127.0.0.1');
      await new Promise<void>((resolve) => {
        socket.write('POST /runLambda/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"x', () => resolve());
      });
      socket.destroy();
    }
    expect(serving.engine.made).toEqual([]);
  });
});
