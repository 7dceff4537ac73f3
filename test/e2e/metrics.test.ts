/** What monitoring sees of a real worker: metrics, and whether it lives and is ready. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReadFamily, readPrometheusText, sampleOf } from '../prometheus-text.ts';
import { cleanEnvironment, run } from './admin.ts';
import { request } from './cluster.ts';
import { useCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster({ settings: { limits: { timeout_ms: 5_000 } } });

async function page(): Promise<string> {
  const { status, headers, text } = await request(`${cluster().url()}/metrics`);
  expect(status).toBe(200);
  expect(headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return text;
}

async function scrape(): Promise<Map<string, ReadFamily>> {
  return readPrometheusText(await page());
}

test('calls, cold starts, failures, instances and memory are told of a worker that has worked', async () => {
  cluster().installExample('counter');
  cluster().install('raises', 'def handler(event):\n    raise ValueError\n');
  cluster().install('exits', 'import os\ndef handler(event):\n    os._exit(1)\n');
  for (let at = 0; at < 5; at += 1) await cluster().call('counter');
  await cluster().call('raises');
  await cluster().call('exits');
  await cluster().call('nobody');
  const families = await scrape();
  const of = (metric: string, labels: Record<string, string> = {}) => sampleOf(families, metric, labels);
  expect(of('faas_invocations_total', { function: 'counter' })).toBe(5);
  expect(of('faas_coldstarts_total', { function: 'counter', how: 'fork' })).toBe(1);
  expect(of('faas_invoke_duration_seconds_count', { function: 'counter' })).toBe(5);
  expect(of('faas_init_duration_seconds_sum', { function: 'counter' })).toBeGreaterThan(0);
  expect(of('faas_errors_total', { function: 'raises', error_type: 'ValueError' })).toBe(1);
  expect(of('faas_errors_total', { function: 'exits', error_type: 'Runtime.ExitError' })).toBe(1);
  expect(of('faas_errors_total', { error_type: 'Lambda.NotFound' })).toBe(1);
  expect(of('faas_zygotes')).toBeGreaterThanOrEqual(1);
  expect(of('faas_forks_total')).toBeGreaterThanOrEqual(3);
  const states = families.get('faas_instances')?.samples ?? [];
  expect(states.reduce((sum, { value }) => sum + value, 0)).toBe(2);
  expect(of('faas_instances_memory_bytes')).toBeGreaterThan(500_000);
  expect(of('faas_mem_usage_bytes_sum')).toBeGreaterThan(5 * 500_000);
  expect(
    of('http_server_request_duration_seconds_count', {
      http_request_method: 'POST',
      http_response_status_code: '200',
      http_route: '/runLambda/*',
    }),
  ).toBe(5);
});

describe("Prometheus's own reader", () => {
  let packages: string;
  let missing: string | undefined;
  beforeAll(async () => {
    packages = mkdtempSync(join(tmpdir(), 'isla-prometheus-'));
    const args = ['-m', 'pip', 'install', '--quiet', '--target', packages, 'prometheus_client'];
    const installed = await run('python3', args).catch((error: Error) => ({ status: -1, stderr: error.message }));
    if (installed.status !== 0)
      missing = `pip can not install prometheus_client: ${installed.stderr.trim().split('\n').at(-1)}`;
  }, 120_000);
  afterAll(() => rmSync(packages, { recursive: true }));

  test('finds the same families and as many samples', async ({ skip }) => {
    if (missing !== undefined) skip(missing);
    cluster().installExample('echo');
    await cluster().call('echo');
    const text = await page();
    const script = `import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps({family.name: [family.type, len(family.samples)] for family in families}))`;
    const env = cleanEnvironment({ PYTHONPATH: packages });
    const { status, stdout, stderr } = await run('python3', ['-c', script], { env, input: text });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const ours = [...readPrometheusText(text)].map(([name, { type, samples }]) => [
      // Its families of counters are named without the ending.
      name.replace(/_total$/, ''),
      [type, samples.length],
    ]);
    expect(JSON.parse(stdout)).toEqual(Object.fromEntries(ours));
  });
});

test('it is alive and ready, and /status stays what it was', async () => {
  const get = async (path: string) => {
    const { status, text } = await request(`${cluster().url()}${path}`);
    return [status, text];
  };
  expect(await get('/livez')).toEqual([200, 'alive\n']);
  expect(await get('/readyz')).toEqual([200, 'ready\n']);
  expect(await get('/status')).toEqual([200, 'ready\n']);
});

test('what runs and what waits is told while it does', async () => {
  cluster().install('waits', { 'lambda_func.py': waitingCode('done'), 'lambda.json': '{"concurrency": 1}' });
  const calls = [cluster().call('waits'), cluster().call('waits')];
  const scratch = await callRuns(cluster(), 'waits');
  await expect.poll(async () => sampleOf(await scrape(), 'faas_queue_depth')).toBe(1);
  expect(sampleOf(await scrape(), 'faas_instances', { state: 'busy' })).toBe(1);
  letGo(scratch);
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200]);
  expect(sampleOf(await scrape(), 'faas_queue_depth')).toBe(0);
});
