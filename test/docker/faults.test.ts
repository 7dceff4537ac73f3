/** A daemon that stops, hangs, or has things taken away under a worker: who hears what, and what is left. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment } from '../e2e/admin.ts';
import { request, TestCluster } from '../e2e/cluster.ts';
import { eventually } from '../e2e/eventually.ts';
import { Dockerd, IMAGE } from './dockerd.ts';

const HELLO = 'def handler(event):\n    return "hello"\n';
const SLOW = 'import time\ndef handler(event):\n    time.sleep(600)\n';
/** A daemon that comes back has its containers to look after first. */
const BACK_MS_MAX = 60_000;

let dockerd: Dockerd;
beforeAll(async () => {
  dockerd = await Dockerd.start();
}, 120_000);
afterAll(() => dockerd.dispose());

let cluster: TestCluster;
afterEach(async () => {
  await dockerd.start();
  await cluster.dispose();
  expect(ids()).toEqual([]);
});

async function start(settings: Record<string, unknown> = {}): Promise<void> {
  cluster = await TestCluster.make({
    env: cleanEnvironment({ DOCKER_HOST: dockerd.host }),
    settings: { sandbox: 'docker', docker: { image: IMAGE }, pool_size: 1, pool_max: 1, ...settings },
  });
  cluster.install('hello', HELLO);
  cluster.install('slow', SLOW);
  await cluster.startWorkers();
}

function docker(...words: string[]): string[] {
  return execFileSync('docker', words, { env: dockerd.env, encoding: 'utf8', stdio: 'pipe' })
    .split('\n')
    .filter(Boolean);
}

const ids = () => docker('ps', '--all', '--quiet', '--filter', 'label=isla.worker');
const hello = () => cluster.call('hello');

describe('a daemon', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'that ends by %s is missed by name, and cleared up after when it is back',
    async (signal) => {
      await start();
      expect((await hello()).json).toBe('hello');
      const inFlight = cluster.call('slow');
      await eventually(() => expect(cluster.instanceDirs('slow')).toHaveLength(1));
      const before = ids();
      await dockerd.end(signal);
      expect(await inFlight).toMatchObject({
        status: 502,
        json: { errorType: expect.stringMatching(/^(Sandbox.Lost|Runtime.ExitError)$/) },
      });
      // The first call may find a container that was just being made: then it is that which failed.
      await eventually(async () => {
        const { status, json } = await hello();
        expect([status, json.errorType]).toEqual([500, 'Sandbox.Failed']);
        expect(json.errorMessage).toMatch(/reach the Docker daemon: .*no daemon answers at .*docker\.sock; start it/);
      });
      expect((await request(`${cluster.url()}/readyz`)).status).toBe(503);
      const status = await cluster.admin('status');
      expect([status.status, status.stdout]).toEqual([0, expect.stringMatching(/^Cluster containers:\n\n/m)]);
      await dockerd.start();
      // Nobody calls meanwhile.
      await eventually(() => expect(ids().filter((id) => before.includes(id))).toEqual([]), BACK_MS_MAX);
      await eventually(async () => expect((await hello()).json).toBe('hello'), BACK_MS_MAX);
      expect(cluster.instanceDirs('slow')).toEqual([]);
    },
  );

  it('that is gone keeps `kill` from being done, which says so and can be repeated', async () => {
    await start();
    expect((await hello()).json).toBe('hello');
    await dockerd.end('SIGKILL');
    const killed = await cluster.admin('kill');
    await dockerd.start();
    expect(killed.status).not.toBe(0);
    expect(killed.stderr).toMatch(
      /what worker-0 may have left in Docker can not be removed: .*no daemon answers at .*start it/,
    );
    expect((await cluster.admin('kill')).status).toBe(0);
    expect(ids()).toEqual([]);
  });

  it('that hangs keeps nobody waiting for ever: `status` answers, and `kill` says why it can not', async () => {
    await start({ grace_ms: 0 });
    expect((await hello()).json).toBe('hello');
    const resume = dockerd.hang();
    try {
      expect((await hello()).json).toBe('hello');
      const status = await cluster.admin('status');
      expect([status.status, status.stdout]).toEqual([0, expect.stringMatching(/^ {2}hello +\d+ +docker/m)]);
      const killed = await cluster.admin('kill');
      expect(killed.status).not.toBe(0);
      expect(killed.stderr).toMatch(/the daemon at .*docker\.sock gives no answer within 5 s/);
    } finally {
      resume();
    }
    expect((await cluster.admin('kill')).status).toBe(0);
  });
});

describe('by hand', () => {
  it.each(['kill', 'stop --time=0', 'rm --force'])(
    'a container ended by `docker %s` ends its call with a word, and the next call works',
    async (command) => {
      await start();
      const inFlight = cluster.call('slow');
      await eventually(() => expect(named('slow')).toHaveLength(1));
      docker(...command.split(' '), ...named('slow'));
      expect((await inFlight).status).toBe(502);
      expect((await hello()).json).toBe('hello');
      expect(cluster.instanceDirs('slow')).toEqual([]);
    },
  );

  it('all containers removed at once are made again', async () => {
    await start();
    expect((await hello()).json).toBe('hello');
    await eventually(() => expect(ids()).toHaveLength(2));
    docker('rm', '--force', ...ids());
    await eventually(async () => expect((await hello()).json).toBe('hello'));
  });

  it('an image that was removed is missed by name, and used again when it is back', async () => {
    await start({ pool_size: 0 });
    const [kept] = docker('image', 'inspect', '--format', '{{.Id}}', IMAGE);
    const archive = join(dockerd.dir, 'image.tar');
    docker('save', '--output', archive, IMAGE);
    docker('rmi', '--force', kept as string);
    const refused = await hello();
    docker('load', '--input', archive);
    expect(refused.status).toBe(500);
    expect(refused.json.errorMessage).toMatch(
      /create the container: the image isla-test:python \([0-9a-f]{12}\) was removed; `docker pull/,
    );
    expect((await hello()).json).toBe('hello');
    expect(readdirSync(join(cluster.dir, 'workers/worker-0/containers'))).toHaveLength(1);
  });
});

function named(lambda: string): string[] {
  return docker('ps', '--quiet', '--filter', `name=-${lambda}-`);
}
