/** Asynchronous calls against a running worker: taken with 202, run later, retried, given up, told of. */
import { describe, expect, test } from 'vitest';
import { type Answer, request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster({ settings: { event_kb: 64 } });

const FAILING = 'def handler(event):\n    raise ValueError("no")\n';
/** Retries that do not keep a test waiting. */
const AT_ONCE = (retries: number) => JSON.stringify({ async: { retries, backoff_ms: 10 } });

const send = (lambda: string, event: unknown = {}, headers: Record<string, string> = {}, on = cluster()) =>
  on.post(`/async/${lambda}`, JSON.stringify(event), { headers });

const look = (lambda: string, id: string, on = cluster()): Promise<Answer> =>
  request(`${on.url()}/async/${lambda}/${id}`);

/** Resolves with its state when it has come to an end. */
function ended(lambda: string, id: string, on = cluster()) {
  return eventually(async () => {
    const { json } = await look(lambda, id, on);
    expect(['done', 'dead']).toContain(json.state);
    return json;
  });
}

/** Request ids of the calls of a lambda that have ended, in order, and what became of them. */
async function runsOf(lambda: string, on: TestCluster = cluster()): Promise<{ id: string; outcome: string }[]> {
  const { stdout } = await on.admin('logs', lambda, '--json');
  const entries = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return entries
    .filter(({ outcome }) => outcome !== undefined)
    .map(({ requestId, outcome }) => ({ id: requestId, outcome }));
}

describe('a call', () => {
  test('is answered with its id, runs once, and can be asked about', async () => {
    cluster().install('echo', 'def handler(event):\n    print(event)\n    return event\n');
    const answer = await send('echo', { n: 1 });
    const id = answer.json.requestId;
    expect(answer).toMatchObject({ status: 202, json: { requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) } });
    expect(answer.headers.get('location')).toBe(`/async/echo/${id}`);
    expect(answer.headers.get('x-request-id')).toBe(id);
    expect(await ended('echo', id)).toEqual({
      requestId: id,
      lambda: 'echo',
      state: 'done',
      attempts: 1,
      created: expect.stringMatching(/Z$/),
      since: expect.stringMatching(/Z$/),
    });
    await eventually(async () => expect(await runsOf('echo')).toEqual([{ id, outcome: 'result' }]));
    expect((await look('other', id)).status).toBe(404);
  });

  test('that fails is run again as often as its lambda says, and then kept as a dead letter', async () => {
    cluster().install('failing', { 'lambda_func.py': FAILING, 'lambda.json': AT_ONCE(3) });
    const { json } = await send('failing');
    expect(await ended('failing', json.requestId)).toMatchObject({
      state: 'dead',
      attempts: 4,
      error: { errorType: 'ValueError', errorMessage: 'no' },
    });
    await eventually(async () => expect(await runsOf('failing')).toHaveLength(4));
  });

  test('with an Idempotency-Key is one call, however often it is sent', async () => {
    cluster().install('once', 'def handler(event):\n    return event\n');
    const key = { 'Idempotency-Key': 'order-1' };
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await send('once', 1, key)).json.requestId));
    expect(new Set(ids).size).toBe(1);
    await ended('once', ids[0]);
    expect((await send('once', 1, key)).json.requestId).toBe(ids[0]);
    expect(await send('once', 2, key)).toMatchObject({
      status: 422,
      json: { errorType: 'Request.IdempotencyConflict' },
    });
    const other = (await send('once', 1, { 'Idempotency-Key': 'order-2' })).json.requestId;
    await ended('once', other);
    await eventually(async () => expect((await runsOf('once')).map(({ id }) => id)).toEqual([ids[0], other]));
  });

  test('has its trace, as one that somebody waits for has', async () => {
    cluster().install('traced', 'import os\ndef handler(event):\n    print(os.environ["TRACEPARENT"])\n');
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { json } = await send('traced', {}, { traceparent });
    expect(await ended('traced', json.requestId)).toMatchObject({ state: 'done' });
    await eventually(async () => expect((await cluster().admin('logs', 'traced')).stdout).toContain(traceparent));
  });
});

describe('is refused', () => {
  test.each([
    ['no JSON', '/async/echo', '{"a', 400, 'Request.EventInvalid'],
    ['too large', '/async/echo', `"${'x'.repeat(70_000)}"`, 413, 'Request.EventTooLarge'],
    ['for nobody', '/async/nobody', '{}', 404, 'Lambda.NotFound'],
    ['without a name', '/async/', '{}', 400, 'Request.NameInvalid'],
  ])('an event %s', async (_, path, body, status, errorType) => {
    expect(await cluster().post(path, body)).toMatchObject({ status, json: { errorType } });
  });

  test('a key that is none, another method, an id that nobody has', async () => {
    const key = { 'Idempotency-Key': 'ä'.repeat(10) };
    expect(await send('echo', 1, key)).toMatchObject({
      status: 400,
      json: { errorType: 'Request.IdempotencyKeyInvalid' },
    });
    const got = await request(`${cluster().url()}/async/echo`);
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
    const deleted = await request(`${cluster().url()}/async/echo/x`, { method: 'DELETE' });
    expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect(await look('echo', 'x')).toMatchObject({ status: 404, json: { errorType: 'Async.NotFound' } });
  });

  test('what comes on top of async_max, and what waits runs', async () => {
    await withCluster({ settings: { async_max: 3, limits: { concurrency: 1 } } }, async (small) => {
      small.install('gate', waitingCode('through'));
      const statuses: number[] = [];
      for (let n = 0; n < 5; n += 1) statuses.push((await send('gate', n, {}, small)).status);
      expect(statuses).toEqual([202, 202, 202, 429, 429]);
      const { headers, json } = await send('gate', 1, {}, small);
      expect([headers.get('retry-after'), json.errorType]).toEqual(['1', 'Async.Full']);
      letGo(await callRuns(small, 'gate'));
      await eventually(async () => expect((await send('gate', 5, {}, small)).status).toBe(202));
    });
  });
});

test('those who wait for an answer have an instance while asynchronous calls have the others', async () => {
  const code = `${waitingCode('through')}\nwait = handler\ndef handler(event):\n    return wait(event) if event else "at once"\n`;
  cluster().install('busy', { 'lambda_func.py': code, 'lambda.json': '{"concurrency": 2}' });
  const ids: string[] = [];
  for (let n = 1; n <= 20; n += 1) ids.push((await send('busy', n)).json.requestId);
  const scratch = await callRuns(cluster(), 'busy');
  for (let n = 0; n < 5; n += 1) expect(await cluster().call('busy', 0)).toMatchObject({ json: 'at once' });
  expect((await look('busy', ids[19]!)).json.state).toBe('queued');
  letGo(scratch);
  for (const id of ids) expect(await ended('busy', id)).toMatchObject({ state: 'done' });
});

test('the operator sees dead letters, runs them again when they are mended, or throws them away', async () => {
  const json = async (...args: string[]) => {
    const done = await cluster().admin('async', ...args, '--json');
    expect(done).toMatchObject({ status: 0, stderr: '' });
    return JSON.parse(done.stdout);
  };
  cluster().install('mended', { 'lambda_func.py': FAILING, 'lambda.json': AT_ONCE(0) });
  const ids: string[] = [];
  for (let n = 0; n < 3; n += 1) ids.push((await send('mended', { n })).json.requestId);
  for (const id of ids) await ended('mended', id);
  const { calls } = await json('dead', '--lambda=mended');
  expect(calls.map((one: { requestId: string }) => one.requestId)).toEqual(ids);
  expect(await json('show', ids[1]!)).toMatchObject({ state: 'dead', errorType: 'ValueError', event: '{"n":1}' });
  expect((await cluster().admin('async', 'dead', '--lambda=mended')).stdout).toContain('ValueError');

  cluster().install('mended', 'def handler(event):\n    return event\n');
  expect(await json('redrive', ids[0]!)).toEqual({ redriven: 1 });
  expect(await json('purge', ids[2]!)).toEqual({ purged: 1 });
  expect(await json('redrive', '--lambda=mended')).toEqual({ redriven: 1 });
  for (const id of ids.slice(0, 2)) {
    await eventually(async () => expect((await look('mended', id)).json.state).toBe('done'), 15_000);
  }
  expect((await look('mended', ids[2]!)).status).toBe(404);
  expect((await json('list')).totals).toMatchObject({ queued: { count: 0 }, running: { count: 0 } });
  expect(await cluster().admin('async', 'purge')).toMatchObject({ status: 2 });
  expect(await cluster().admin('async', 'show', 'nobody')).toMatchObject({ status: 3 });
});

test('AWS clients have it as InvocationType Event', async () => {
  cluster().install('event', 'def handler(event):\n    return event\n');
  const headers = { 'x-amz-invocation-type': 'Event', 'amz-sdk-invocation-id': 'try-1' };
  const invoke = () => cluster().post('/2015-03-31/functions/event/invocations', '{"a": 1}', { headers });
  const first = await invoke();
  expect([first.status, first.text]).toEqual([202, '']);
  const id = first.headers.get('x-amzn-requestid')!;
  // A client that did not hear the first answer sends it again, by the same id.
  expect((await invoke()).headers.get('x-amzn-requestid')).toBe(id);
  expect(await ended('event', id)).toMatchObject({ state: 'done', attempts: 1 });
});
