/** An installation that is cut off at any point leaves nothing that anybody sees, and the next one makes it whole. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Session } from '../../src/client/session.ts';
import { WheelIndex } from '../fixtures/wheel-index.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { cleanEnvironment } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { startGateway } from './gateway.ts';
import { withCluster } from './use-cluster.ts';

const MODULES = 600;
const house = new Wheelhouse();
const sources = Array.from({ length: MODULES }, (_none, number) => [
  `large/m${number}.py`,
  `${'def f(a, b):\n    return [a * b for _ in range(a)]\n'.repeat(20)}VALUE = ${number}\n`,
]);
house.add({ name: 'large', version: '1.0', files: { ...Object.fromEntries(sources), 'large/__init__.py': '' } });
const index = new WheelIndex(house.dir, { large: ['large-1.0-py3-none-any.whl'] });
beforeAll(() => index.listen());
afterAll(() => {
  index.close();
  house.dispose();
});

const env = cleanEnvironment({ PIP_CONFIG_FILE: '/dev/null', PIP_FIND_LINKS: '', PIP_RETRIES: '0', TMPDIR: house.tmp });
const CODE = 'from large import m7\ndef handler(event):\n    return m7.VALUE\n';
const LAMBDA = { 'lambda_func.py': CODE, 'requirements.txt': 'large' };

function options() {
  return { env, settings: { pip_mirror: index.url, packages_wait_ms: 120_000, log_level: 'debug' } };
}

/** Directories of installed sets, and drafts. */
function seen(cluster: TestCluster): { sets: string[]; drafts: string[] } {
  const packages = join(cluster.dir, 'packages');
  const sets = readdirSync(packages)
    .map((key) => join(packages, key, 'sets'))
    .filter(existsSync)
    .flatMap((dir) => readdirSync(dir));
  return { sets, drafts: readdirSync(join(packages, 'tmp')) };
}

test('a worker that is killed while pip fetches takes pip with it', async () => {
  await withCluster(options(), async (cluster) => {
    cluster.install('a', LAMBDA);
    index.holding = true;
    const asked = index.asked();
    const call = cluster.call('a').catch(() => 'connection lost');
    await asked;
    cluster.footprint.look();
    expect(cluster.footprint.processes.filter(({ name }) => name.startsWith('python')).length).toBeGreaterThan(1);
    expect(house.left()).toHaveLength(1);
    process.kill(cluster.workerPid(), 'SIGKILL');
    expect(await call).toBe('connection lost');
    await cluster.gone(5_000);
    expect(house.left()).toEqual([]);
    expect(seen(cluster).sets).toEqual([]);
    index.holding = false;
    await cluster.startWorkers();
    expect((await cluster.call('a')).json).toBe(7);
    expect(seen(cluster)).toEqual({ sets: [expect.any(String)], drafts: [] });
  });
});

test('a worker that is killed while a wheel is unpacked leaves a draft, which the next removes', async () => {
  await withCluster(options(), async (cluster) => {
    cluster.install('a', LAMBDA);
    const call = cluster.call('a').catch(() => 'connection lost');
    await eventually(() => expect(draftFiles(cluster)).toBeGreaterThan(10));
    process.kill(cluster.workerPid(), 'SIGKILL');
    expect(await call).toBe('connection lost');
    await cluster.gone(5_000);
    expect(seen(cluster)).toEqual({ sets: [], drafts: [expect.any(String)] });
    await cluster.startWorkers();
    expect((await cluster.call('a')).json).toBe(7);
    expect(seen(cluster)).toEqual({ sets: [expect.any(String)], drafts: [] });
    expect(house.left()).toEqual([]);
  });
});

test('a worker that stops tells who waits for packages, and ends what fetches them', async () => {
  await withCluster({ ...options(), settings: { ...options().settings, grace_ms: 100 } }, async (cluster) => {
    cluster.install('a', LAMBDA);
    index.holding = true;
    const asked = index.asked();
    const call = cluster.call('a');
    await asked;
    cluster.footprint.look();
    expect((await cluster.admin('kill')).status).toBe(0);
    expect(await call).toMatchObject({ status: 503, json: { errorType: 'Worker.Stopping' } });
    expect(cluster.footprint.left()).toEqual([]);
    expect(house.left()).toEqual([]);
    expect(seen(cluster)).toEqual({ sets: [], drafts: [] });
    index.holding = false;
  });
});

test('a worker that stops lets no session wait for packages, and ends what fetches them', async () => {
  await withCluster(options(), async (cluster) => {
    const access = await startGateway(cluster);
    index.holding = true;
    const asked = index.asked();
    const making = Session.create('python', { ...access, requirements: 'large' }).catch((error: unknown) => error);
    await asked;
    cluster.footprint.look();
    const worker = cluster.workerPid();
    process.kill(worker, 'SIGTERM');
    await eventually(() => expect(() => process.kill(worker, 0)).toThrow('ESRCH'));
    expect(await making).toMatchObject({ message: expect.stringContaining('stopping') });
    expect(house.left()).toEqual([]);
    expect(seen(cluster)).toEqual({ sets: [], drafts: [] });
    index.holding = false;
  });
});

function draftFiles(cluster: TestCluster): number {
  return readdirSync(join(cluster.dir, 'packages/tmp'), { recursive: true }).filter((path) =>
    String(path).endsWith('.pyc'),
  ).length;
}
