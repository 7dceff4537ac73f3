import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { request } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster();

/** A call whose client goes away when told to. */
function leavingCall(lambda: string): { leave: () => Promise<void> } {
  const client = new AbortController();
  const call = cluster().post(`/runLambda/${lambda}`, '{}', { signal: client.signal });
  return {
    leave: async () => {
      client.abort();
      await expect(call).rejects.toThrow();
    },
  };
}

async function instancesOf(lambda: string): Promise<number[]> {
  const { json } = await request(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
  const own = json.sandboxes.filter((one: { lambda: string }) => one.lambda === lambda);
  return own.map(({ instance }: { instance: number }) => instance);
}

test('a client that goes away ends its call and the instance, if its lambda says so', async () => {
  cluster().install('cancelled', {
    'lambda_func.py': waitingCode('never'),
    'lambda.json': '{"cancel_on_disconnect": true, "concurrency": 1}',
  });
  const { leave } = leavingCall('cancelled');
  const scratch = await callRuns(cluster(), 'cancelled');
  await leave();
  await eventually(async () => expect(await instancesOf('cancelled')).toEqual([]));
  await eventually(() => expect(existsSync(scratch)).toBe(false));
  expect(cluster().log()).not.toContain('did not end well');
});

test('a client that has been answered and goes away ends nothing', async () => {
  cluster().install('answered', {
    'lambda_func.py': 'import os\ndef handler(event):\n    return "well"\n',
    'lambda.json': '{"cancel_on_disconnect": true}',
  });
  for (let call = 0; call < 5; call += 1) {
    const { json } = await cluster().post('/runLambda/answered', '{}', { headers: { connection: 'close' } });
    expect(json).toBe('well');
  }
  expect(await instancesOf('answered')).toEqual([0]);
});

test('otherwise its call runs on, and the instance serves the next', async () => {
  // The next call waits for this very instance, which may not have seen yet that it may go.
  cluster().install('runs-on', { 'lambda_func.py': waitingCode('done'), 'lambda.json': '{"concurrency": 1}' });
  const { leave } = leavingCall('runs-on');
  const scratch = await callRuns(cluster(), 'runs-on');
  await leave();
  expect(await instancesOf('runs-on')).toEqual([0]);
  letGo(scratch);
  expect((await cluster().call('runs-on')).json).toBe('done');
  expect(await instancesOf('runs-on')).toEqual([0]);
});
