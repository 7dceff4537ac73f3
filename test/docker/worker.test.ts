/** `"sandbox": "docker"` as the README's commands see it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { cleanEnvironment } from '../e2e/admin.ts';
import { TestCluster } from '../e2e/cluster.ts';
import { eventually } from '../e2e/eventually.ts';
import { docker, inDocker } from './docker-bench.ts';
import { IMAGE } from './dockerd.ts';

const HELLO = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

let cluster: TestCluster;
afterEach(async () => {
  await cluster.dispose();
  expect(inDocker()).toEqual([]);
});

const make = () => {
  const env = cleanEnvironment({ DOCKER_HOST: process.env.DOCKER_HOST });
  return TestCluster.make({
    env,
    settings: { sandbox: 'docker', docker: { image: IMAGE }, pool_size: 2, pool_max: 2 },
  });
};

const ids = () => docker('ps', '--all', '--quiet', '--filter', 'label=isla.worker');

describe('a worker with containers', () => {
  it('serves, lists them, sees edited code, and leaves none', async () => {
    cluster = await make();
    cluster.install('hello', HELLO);
    await cluster.startWorkers();
    expect((await cluster.call('hello', { name: 'Alice' })).json).toBe('Hello, Alice!');
    cluster.install('hello', HELLO.replace('Hello', 'Goodbye'));
    expect((await cluster.call('hello', { name: 'Alice' })).json).toBe('Goodbye, Alice!');
    const status = (await cluster.admin('status')).stdout;
    expect(status).toMatch(/^Cluster containers:\n {2}hello +\d+ +docker +(idle|paused) +\d+/m);
    const instance = cluster.instanceDirs('hello').at(-1);
    expect(readdirSync(instance as string).sort()).toEqual(['server_pipe', 'stderr', 'stdout']);
    expect((await cluster.admin('kill')).status).toBe(0);
    expect(inDocker()).toEqual([]);
  });

  it('that ends a call that takes too long goes on', async () => {
    cluster = await make();
    cluster.install('slow', {
      'lambda_func.py': 'import time\ndef handler(event):\n    time.sleep(event)\n    return "done"\n',
      'lambda.json': '{"timeout_ms": 1000}',
    });
    await cluster.startWorkers();
    expect((await cluster.call('slow', 60)).status).toBe(504);
    expect((await cluster.call('slow', 0)).json).toBe('done');
  });

  it.each(['kill', 'workers'])('that is killed has its containers removed by the next `%s`', async (command) => {
    cluster = await make();
    cluster.install('hello', HELLO);
    await cluster.startWorkers();
    expect((await cluster.call('hello', { name: 'Alice' })).json).toBe('Hello, Alice!');
    const before = ids();
    expect(before.length).toBeGreaterThan(0);
    process.kill(cluster.workerPid(), 'SIGKILL');
    if (command === 'kill') {
      await eventually(async () => expect((await cluster.admin('kill')).status).toBe(0));
      expect(inDocker()).toEqual([]);
    } else {
      await eventually(() => cluster.startWorkers());
      expect((await cluster.call('hello', { name: 'Bob' })).json).toBe('Hello, Bob!');
      expect(ids().filter((id) => before.includes(id))).toEqual([]);
    }
    expect(readdirSync(join(cluster.dir, 'workers/worker-0')).length).toBeGreaterThan(0);
  });
});
