/** `admin bench`, against a worker that runs. */
import { describe, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
const bench = (...args: string[]) => cluster().admin('bench', ...args);

describe('admin bench', () => {
  test('calls the lambda at the rate, and tells cold calls from warm ones', async () => {
    cluster().installExample('counter');
    const { status, stdout, stderr } = await bench('counter', '{}', '--rate=50', '--seconds=2', '--even', '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const facts = JSON.parse(stdout);
    expect(facts).toMatchObject({
      lambda: 'counter',
      worker: 'worker-0',
      sent: 100,
      served: 100,
      failed: {},
      unsent: 0,
    });
    const { all, warm, cold } = facts.latency_ms;
    expect(cold.count).toBeGreaterThanOrEqual(1);
    expect(warm.count + cold.count).toBe(100);
    expect(all.count).toBe(100);
    expect(facts.parts_ms.init.count).toBe(cold.count);
    // The same by the worker's own count, which is of instances.
    expect((await cluster().call('counter')).json.calls).toBeGreaterThan(1);
  });

  test('says what failed, and that nothing else was heard by its exit code', async () => {
    const missing = await bench('nowhere', '{}', '--rate=10', '--seconds=1');
    expect(missing.status).toBe(1);
    expect(missing.stdout).toMatch(/0 answered.*failed:\n {2}\d+ x Lambda\.NotFound\n/s);
  });

  test('refuses what makes no sense, before it calls anything', async () => {
    expect(await bench('counter', '{}', '--rate=0')).toMatchObject({ status: 2, stdout: '' });
    expect(await bench('counter', '{}', '--rate=20000', '--seconds=3600')).toMatchObject({ status: 2, stdout: '' });
    expect(await bench('counter', '{}', '--worker=7')).toMatchObject({ status: 6, stdout: '' });
  });
});
