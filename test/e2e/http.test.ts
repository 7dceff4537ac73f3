import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { request } from './cluster.ts';
import { useCluster } from './use-cluster.ts';

const EVENT_KB = 64;
const cluster = useCluster({ settings: { event_kb: EVENT_KB } });

async function worksStill(): Promise<void> {
  cluster().installExample('echo');
  expect(await cluster().call('echo', { still: 'here' })).toMatchObject({ status: 200, json: { still: 'here' } });
}

test('any JSON value is an event and an answer', async () => {
  cluster().installExample('echo');
  for (const event of [{ a: [1, { b: null }] }, [], 'text ü €', 3.5, true, null]) {
    const answer = await cluster().call('echo', event);
    expect(answer).toMatchObject({ status: 200, json: event });
  }
});

test('the bytes of an event are not re-read as JavaScript numbers', async () => {
  cluster().installExample('echo');
  const { text } = await cluster().post('/runLambda/echo', '{"n": 12345678901234567890, "x": 1.0}');
  expect(text.replaceAll(' ', '')).toBe('{"n":12345678901234567890,"x":1.0}');
});

test('an empty body is an empty event', async () => {
  cluster().installExample('echo');
  expect(await cluster().post('/runLambda/echo', '')).toMatchObject({ status: 200, json: {} });
});

test.each(['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'nonsense'])(
  'the content type %s is as good as any',
  async (type) => {
    cluster().installExample('echo');
    const answer = await cluster().post('/runLambda/echo', '{"a": 1}', { headers: { 'content-type': type } });
    expect(answer).toMatchObject({ status: 200, json: { a: 1 } });
  },
);

test('a query does not change which lambda runs', async () => {
  cluster().installExample('echo');
  expect(await cluster().post('/runLambda/echo?q=1', '[1]')).toMatchObject({ status: 200, json: [1] });
});

test('an unknown lambda is 404, as often as it is asked for', async () => {
  for (let round = 0; round < 3; round += 1) {
    const answer = await cluster().call('nobody-wrote-this');
    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({
      errorType: expect.any(String),
      errorMessage: expect.stringContaining('nobody'),
    });
  }
  await worksStill();
});

test.each(['', '.', '..', '.hidden', 'a%2Fb', '..%2f..%2fetc', 'a%00b', '%', 'x'.repeat(300), 'a b', '-x;id'])(
  'the bad name %j is refused and hurts nobody',
  async (name) => {
    const answer = await cluster().post(`/runLambda/${name}`, '{}');
    expect([400, 404]).toContain(answer.status);
    await worksStill();
  },
);

test.each(['{bad', '{"a": 1,}', "{'a': 1}", 'hello', '{"a": 1} trailing', '\u0000'])(
  'the body %j is no JSON: 400, and the lambda is not poisoned',
  async (body) => {
    cluster().installExample('echo');
    const answer = await cluster().post('/runLambda/echo', body);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ errorType: expect.any(String), requestId: expect.any(String) });
    await worksStill();
  },
);

test('a body over the limit is 413, one at the limit is not', async () => {
  cluster().installExample('echo');
  const atLimit = JSON.stringify('x'.repeat(EVENT_KB * 1024 - 2));
  expect((await cluster().post('/runLambda/echo', atLimit)).status).toBe(200);
  const answer = await cluster().post('/runLambda/echo', `${atLimit} `);
  expect(answer.status).toBe(413);
  expect(answer.json).toMatchObject({ errorType: expect.any(String) });
  await worksStill();
});

test('a body over the limit that does not tell its length is 413 as well', async () => {
  cluster().installExample('echo');
  // By hand: an HTTP client would have to be told when to stop sending.
  const socket = connect(Number(new URL(cluster().url()).port), 'localhost');
  const answer = new Promise<string>((done) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
    socket.on('error', () => done(text)).on('close', () => done(text));
  });
  socket.write('POST /runLambda/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  const chunk = ' '.repeat(16 * 1024);
  for (let sent = 0; sent <= EVENT_KB; sent += 16) socket.write(`4000\r\n${chunk}\r\n`);
  // The body never ends; the server must answer all the same, and then hang up.
  expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
  await worksStill();
});

test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s on a lambda is 405 and says what is allowed', async (method) => {
  cluster().installExample('echo');
  const answer = await request(`${cluster().url()}/runLambda/echo`, { method });
  expect(answer.status).toBe(405);
  expect(answer.headers.get('allow')).toContain('POST');
});

test('OPTIONS and answers carry the CORS headers of OpenLambda', async () => {
  cluster().installExample('echo');
  const url = `${cluster().url()}/runLambda/echo`;
  const preflight = await request(url, { method: 'OPTIONS' });
  expect([200, 204]).toContain(preflight.status);
  expect(preflight.text).toBe('');
  for (const { headers } of [preflight, await cluster().call('echo'), await cluster().post('/runLambda/echo', '{')]) {
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-allow-methods')).toContain('POST');
    expect(headers.get('access-control-allow-headers')).toContain('Content-Type');
  }
});

test('status is ready as text, and facts as JSON', async () => {
  await worksStill();
  const text = await request(`${cluster().url()}/status`);
  expect(text).toMatchObject({ status: 200 });
  expect(text.text.trim()).toBe('ready');
  const { json } = await request(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
  expect(json).toMatchObject({ state: 'ready', engine: 'sock', python: expect.stringMatching(/^3\.\d+/) });
  expect(json.weaker).toEqual(expect.any(Array));
  expect(json.sandboxes).toContainEqual({
    lambda: 'echo',
    instance: expect.any(Number),
    engine: 'sock',
    state: expect.any(String),
    age_ms: expect.any(Number),
    calls: expect.any(Number),
    memory_bytes: expect.any(Number),
  });
});

test('a path that is nothing is 404', async () => {
  expect((await request(`${cluster().url()}/nothing`)).status).toBe(404);
  await worksStill();
});
