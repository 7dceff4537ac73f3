import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Metrics } from '../../../src/lib/metrics.ts';
import type { LambdaName } from '../../../src/registry/source.ts';
import { CallMetrics } from '../../../src/worker/call-metrics.ts';
import { type ReadFamily, readPrometheusText, sampleOf } from '../../prometheus-text.ts';
import { Serving } from './serving.ts';

let serving: Serving;
beforeEach(async () => {
  serving = await new Serving({ timeoutMs: 300 }).open();
});
afterEach(() => serving.close());

async function scrape(): Promise<Map<string, ReadFamily>> {
  const { status, headers, text } = await serving.send('GET', '/metrics');
  expect(status).toBe(200);
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  return readPrometheusText(text);
}

test('the names are those of the conventions', async () => {
  const families = await scrape();
  const types = Object.fromEntries([...families].map(([name, { type }]) => [name, type]));
  expect(types).toMatchObject({
    faas_invocations_total: 'counter',
    faas_errors_total: 'counter',
    faas_timeouts_total: 'counter',
    faas_coldstarts_total: 'counter',
    faas_coldstart_errors_total: 'counter',
    faas_invoke_duration_seconds: 'histogram',
    faas_init_duration_seconds: 'histogram',
    faas_mem_usage_bytes: 'histogram',
    faas_cpu_usage_seconds: 'histogram',
    faas_instances: 'gauge',
    faas_queue_depth: 'gauge',
    faas_queue_wait_seconds: 'histogram',
    faas_zygotes: 'gauge',
    faas_loaders: 'gauge',
    faas_sandbox_kills_total: 'counter',
    http_server_request_duration_seconds: 'histogram',
    process_cpu_seconds_total: 'counter',
    process_resident_memory_bytes: 'gauge',
    process_start_time_seconds: 'gauge',
    process_open_fds: 'gauge',
    nodejs_heap_size_used_bytes: 'gauge',
    nodejs_version_info: 'gauge',
    nodejs_eventloop_lag_seconds: 'gauge',
    nodejs_heap_space_size_used_bytes: 'gauge',
    nodejs_active_resources: 'gauge',
    process_cpu_user_seconds_total: 'counter',
    process_virtual_memory_bytes: 'gauge',
  });
  const started = sampleOf(families, 'process_start_time_seconds') as number;
  expect(started).toBeGreaterThan(1.7e9);
  expect(started * 1000).toBeLessThanOrEqual(Date.now() + 1000);
});

test('calls are counted by lambda, cold ones besides, and their times measured', async () => {
  serving.lambda('one');
  serving.lambda('two');
  for (const name of ['one', 'one', 'one', 'two']) expect((await serving.run(name)).status).toBe(200);
  const families = await scrape();
  const of = (metric: string, labels: Record<string, string>) => sampleOf(families, metric, labels);
  expect(of('faas_invocations_total', { function: 'one', trigger: 'http' })).toBe(3);
  expect(of('faas_invocations_total', { function: 'two', trigger: 'http' })).toBe(1);
  expect(of('faas_coldstarts_total', { function: 'one', how: 'fork' })).toBe(1);
  expect(of('faas_invoke_duration_seconds_count', { function: 'one' })).toBe(3);
  expect(of('faas_invoke_duration_seconds_sum', { function: 'one' })).toBeCloseTo(0.00006);
  expect(of('faas_init_duration_seconds_count', { function: 'one' })).toBe(1);
  expect(of('faas_init_duration_seconds_sum', { function: 'one' })).toBeCloseTo(0.001);
  expect(of('faas_queue_wait_seconds_count', {})).toBe(4);
});

test.each([
  ['raises', '{"raise": 1}', 'ValueError', { timeouts: undefined, starts: undefined, kills: undefined }],
  ['is no JSON', '{', 'Runtime.UnmarshalError', {}],
  ['can not be loaded', '{"init": 1}', 'X', { starts: 1 }],
  ['takes too long', '{"hang": 1}', 'Sandbox.Timedout', { timeouts: 1, kills: ['timeout', 1] }],
  ['runs out of memory', '{"oom": 1}', 'Runtime.OutOfMemory', { kills: ['oom', 1] }],
  ['exits', '{"exit": 3}', 'Runtime.ExitError', { kills: undefined }],
] as const)(
  'a call that %s is an error, once, by the type that its caller is told',
  async (_what, body, type, also) => {
    serving.lambda('bad');
    await serving.send('POST', '/runLambda/bad', { body });
    const families = await scrape();
    const bad = { function: 'bad' };
    expect(sampleOf(families, 'faas_errors_total', { ...bad, error_type: type })).toBe(1);
    expect(families.get('faas_errors_total')?.samples).toHaveLength(1);
    expect(sampleOf(families, 'faas_invocations_total', bad)).toBe(0);
    const { timeouts, starts, kills } = also as { timeouts?: number; starts?: number; kills?: [string, number] };
    expect(sampleOf(families, 'faas_timeouts_total', bad)).toBe(timeouts);
    expect(sampleOf(families, 'faas_coldstart_errors_total', bad)).toBe(starts);
    expect(
      families.get('faas_sandbox_kills_total')?.samples.map(({ labels, value }) => [labels.reason, value]),
    ).toEqual(kills === undefined ? [] : [kills]);
    // Of a sandbox that ended without a word nobody knows how long it loaded.
    const told = ['Sandbox.Timedout', 'Runtime.OutOfMemory', 'Runtime.ExitError'].includes(type) ? undefined : 1;
    expect(sampleOf(families, 'faas_init_duration_seconds_count', bad)).toBe(told);
  },
);

test('the CPU time of calls is measured as far as it is known', async () => {
  serving.lambda('known');
  await serving.run('known');
  for (const sandbox of serving.engine.made) sandbox.cpuUs = 250_000;
  await serving.run('known');
  const families = await scrape();
  expect(sampleOf(families, 'faas_cpu_usage_seconds_count', {})).toBe(1);
  expect(sampleOf(families, 'faas_cpu_usage_seconds_sum', {})).toBeCloseTo(0.25);
  expect(sampleOf(families, 'faas_cpu_usage_seconds_bucket', { le: '0.1' })).toBe(0);
  expect(sampleOf(families, 'faas_cpu_usage_seconds_bucket', { le: '0.25' })).toBe(1);
});

test('names that nobody has, and more lambdas than there is place for, share one series', () => {
  const metrics = new Metrics();
  const calls = new CallMetrics(metrics);
  const run = {
    instance: 0,
    version: 'x',
    cold: true,
    queueMs: 0,
    initMs: 1,
    runMs: 1,
    memoryMb: 256,
    memoryBytes: undefined,
    cpuMs: undefined,
  };
  const call = (name: string, errorType?: string) => {
    const outcome = errorType === undefined ? 'result' : 'refused';
    const lambda = name as LambdaName;
    const facts = { requestId: 'x', trigger: 'http', startedMs: 0, durationMs: 1 } as const;
    const bytes = { event: Buffer.from('{}'), body: undefined, config: undefined };
    calls.onCall({ lambda, ...facts, outcome, errorType, run, ...bytes });
  };
  for (let at = 0; at < 510; at += 1) {
    call(`lambda-${at}`);
    call(`nobody-${at}`, 'Lambda.NotFound');
    call('lambda-0', `Error${at}`);
  }
  call('lambda-509');
  call('lambda-0');
  const families = readPrometheusText(metrics.text());
  expect(families.get('faas_invocations_total')?.samples).toHaveLength(501);
  expect(sampleOf(families, 'faas_invocations_total', { function: 'lambda-0' })).toBe(2);
  expect(sampleOf(families, 'faas_invocations_total', { function: '~other' })).toBe(11);
  expect(sampleOf(families, 'faas_errors_total', { error_type: 'Lambda.NotFound' })).toBe(510);
  expect(families.get('faas_errors_total')?.samples).toHaveLength(101);
  expect(sampleOf(families, 'faas_errors_total', { error_type: '~other' })).toBe(510 - 99);
  expect(metrics.text()).not.toContain('nobody');
});

describe('what is there now', () => {
  test('instances by state, calls that wait, and memory', async () => {
    await serving.close();
    serving = await new Serving({ timeoutMs: 60_000 }).open();
    serving.lambda('slow');
    const calls = Array.from({ length: 6 }, () => serving.run('slow', { sleep: 1_000 }));
    let families = await scrape();
    await until(async () => {
      families = await scrape();
      return sampleOf(families, 'faas_queue_depth') === 2;
    });
    expect(sampleOf(families, 'faas_instances', { state: 'busy' })).toBe(4);
    expect(sampleOf(families, 'faas_instances_memory_bytes')).toBe(4_000_000);
    await Promise.all(calls);
    await until(async () => sampleOf(await scrape(), 'faas_instances', { state: 'paused' }) === 4);
    expect(sampleOf(await scrape(), 'faas_queue_depth')).toBe(0);
  });

  test('what the engine has done and keeps ready', async () => {
    const families = await scrape();
    const { stats } = serving.engine;
    expect(stats).toBeTypeOf('function');
    expect(sampleOf(families, 'faas_zygotes')).toBe(serving.engine.stats().zygotes);
    expect(sampleOf(families, 'faas_forks_total')).toBe(serving.engine.stats().forks);
    expect(sampleOf(families, 'faas_pool_waiting')).toBe(serving.engine.stats().poolWaiting);
    expect(sampleOf(families, 'faas_handovers_total', { from: 'pool' })).toBe(
      serving.engine.stats().handedOverFromPool,
    );
  });
});

test('requests are measured by method, status and route, and what clients make up is not kept', async () => {
  serving.lambda('one');
  await serving.run('one');
  await serving.run('nobody');
  await serving.send('GET', '/status?x=1');
  for (const path of ['/made/up', '/made/up/again']) await serving.send('GET', path);
  await serving.send('PROPFIND', '/status');
  const families = await scrape();
  const count = (method: string, status: number, route: string) =>
    sampleOf(families, 'http_server_request_duration_seconds_count', {
      http_request_method: method,
      http_response_status_code: String(status),
      http_route: route,
    });
  expect(count('POST', 200, '/runLambda/*')).toBe(1);
  expect(count('POST', 404, '/runLambda/*')).toBe(1);
  expect(count('GET', 200, '/status')).toBe(1);
  expect(count('GET', 404, '')).toBe(2);
  expect(count('_OTHER', 200, '/status')).toBe(1);
  expect((await serving.send('GET', '/metrics')).text).not.toMatch(/made\/up|PROPFIND/);
});

describe('health', () => {
  const get = async (path: string) => {
    const { status, text } = await serving.send('GET', path);
    return [status, text];
  };

  test('livez says that the process lives, readyz that it serves', async () => {
    expect(await get('/livez')).toEqual([200, 'alive\n']);
    expect(await get('/readyz')).toEqual([200, 'ready\n']);
  });

  test.each(['/livez', '/readyz', '/metrics'])('%s is read, with GET or HEAD', async (path) => {
    const { status, headers } = await serving.send('POST', path);
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    expect((await serving.send('HEAD', path)).status).toBe(200);
  });

  test('without a spawner it lives and is not ready', async () => {
    serving.engine.able = false;
    expect(await get('/livez')).toEqual([200, 'alive\n']);
    expect(await get('/readyz')).toEqual([503, 'no sandbox can be made at the moment\n']);
    expect(await get('/status')).toEqual([200, 'ready\n']);
    serving.engine.able = true;
    expect(await get('/readyz')).toEqual([200, 'ready\n']);
  });

  test('while it stops it is not ready, for those whose connection is still open', async () => {
    serving.lambda('slow');
    const inFlight = serving.run('slow', { sleep: 200 });
    await until(async () => serving.worker.inFlight === 1);
    const socket = connect(serving.port, '127.0.0.1').setEncoding('latin1');
    await new Promise((done) => socket.once('connect', done));
    // Only what the listener has accepted is still answered.
    await get('/livez');
    const drained = serving.worker.drain(5000);
    const said = new Promise<string>((done) => socket.once('data', (piece) => done(String(piece))));
    socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await said).toMatch(/^HTTP\/1\.1 503 [\s\S]*stopping\n$/);
    expect((await inFlight).status).toBe(200);
    expect(await drained).toBe(true);
    socket.destroy();
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((done) => setTimeout(done, 5));
}
