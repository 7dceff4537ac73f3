/** What a lambda.json asks for is had, or refused by name. */
import { expect, test } from 'vitest';
import { request } from './cluster.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
const HANDLER =
  'import os\ndef handler(event, context):\n    return [context.memory_limit_in_mb, os.environ.get("MODE")]\n';

function install(name: string, asked: unknown): void {
  const text = typeof asked === 'string' ? asked : JSON.stringify(asked);
  cluster().install(name, { 'lambda_func.py': HANDLER, 'lambda.json': text });
}

test('a lambda has what its lambda.json asks for, and another the next time it asks for something else', async () => {
  install('asks', { memory_mb: 64, env: { MODE: 'one' } });
  expect((await cluster().call('asks')).json).toEqual(['64', 'one']);
  install('asks', { memory_mb: 80, env: { MODE: 'two' } });
  expect((await cluster().call('asks')).json).toEqual(['80', 'two']);
});

test('a lambda that asks for too much is refused by name, and runs when it asks for less', async () => {
  install('greedy', { memory_mb: 1_000_000, network: 'outbound', memory: 1 });
  const answer = await cluster().call('greedy');
  expect(answer).toMatchObject({ status: 500, json: { errorType: 'Lambda.Invalid' } });
  expect(answer.json.errorMessage).toContain(
    'memory_mb: 1000000 is more than this cluster allows (limits_max.memory_mb is 1024; ',
  );
  expect(answer.json.errorMessage).toContain('network: "outbound" is not allowed here');
  expect(answer.json.errorMessage).toContain('did you mean "memory_mb"?');
  install('greedy', {});
  expect(await cluster().call('greedy')).toMatchObject({ status: 200, json: ['256', null] });
});

test('its own timeout cuts it off', async () => {
  cluster().install('hasty', {
    'lambda_func.py': 'import time\ndef handler(event):\n    time.sleep(20)\n',
    'lambda.json': '{"timeout_ms": 200}',
  });
  const answer = await cluster().call('hasty');
  expect(answer).toMatchObject({ status: 504, json: { errorMessage: 'Task timed out after 0.20 seconds' } });
});

test('its own memory is named when it was not enough', async () => {
  cluster().install('hungry', {
    'lambda_func.py': 'def handler(event):\n    return len(bytearray(200 << 20))\n',
    'lambda.json': '{"memory_mb": 64}',
  });
  const answer = await cluster().call('hungry');
  const { json } = await request(`${cluster().url()}/status`, { headers: { accept: 'application/json' } });
  const { weaker } = json as { weaker: string[] };
  if (weaker.some((wall) => wall.startsWith('memory'))) {
    // Without a cgroup to use, a process is refused more memory instead of being killed.
    expect(answer).toMatchObject({ status: 500, json: { errorType: 'MemoryError' } });
  } else {
    expect(answer).toMatchObject({ status: 502, json: { errorType: 'Runtime.OutOfMemory' } });
    expect(answer.json.errorMessage).toContain('64 MB');
  }
});
