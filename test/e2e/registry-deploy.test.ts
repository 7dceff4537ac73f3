/** From an upload to the workers: what a call runs, and when, while versions come, go and fail. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run, succeeded } from './admin.ts';
import { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { makeBundle, TestRegistry } from './registry.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const WORKERS = 2;
let cluster: TestCluster;
let registry: TestRegistry;

beforeAll(async () => {
  cluster = await TestCluster.make();
  registry = await TestRegistry.start(cluster);
  await cluster.startWorkers(WORKERS);
});
afterAll(() => cluster?.dispose());

const returning = (value: unknown) => `def handler(event):\n    return ${JSON.stringify(value)}\n`;

/** As any S3 client does it: returns when the registry has acknowledged it. */
async function put(lambda: string, code: string, paddingBytes = 0): Promise<void> {
  const { status, bytes } = await registry.send('PUT', `/registry/${lambda}.tar.gz`, makeBundle(paddingBytes, code));
  if (status !== 200) throw new Error(`PUT answered ${status}: ${bytes}`);
}

/** A directory with the lambda's code. */
function directory(name: string, code: string): string {
  const dir = join(cluster.dir, '..', 'code', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'lambda_func.py'), code);
  return dir;
}

async function upload(lambda: string, code: string): Promise<string> {
  const done = await cluster.admin('upload', `--handler=${lambda}`, `--file=${directory(lambda, code)}`, '--json');
  return JSON.parse(succeeded(done, 'admin upload').stdout).version;
}

test('a call on either worker after an acknowledged upload runs the new version, every time', async () => {
  for (let version = 0; version < 60; version += 1) {
    await put('fresh', returning(version), version % 10 === 0 ? 3_000_000 : 0);
    const answers = await Promise.all([0, 1].map((worker) => cluster.call('fresh', {}, worker)));
    expect(answers.map(({ status, json }) => [status, json])).toEqual(Array(WORKERS).fill([200, version]));
  }
});

test('and so does a call after the first upload of a lambda that nobody knew', async () => {
  for (let at = 0; at < 20; at += 1) {
    expect((await cluster.call(`new-${at}`, {}, at % WORKERS)).status).toBe(404);
    await put(`new-${at}`, returning(at));
    expect((await cluster.call(`new-${at}`, {}, at % WORKERS)).json).toBe(at);
  }
});

test('`upload`, `versions`, `rollback` and `delete` do what they say, at once and on all workers', async () => {
  const everywhere = async () => {
    const answers = await Promise.all([0, 1].map((worker) => cluster.call('managed', {}, worker)));
    return answers.map(({ status, json }) => (status === 200 ? json : status));
  };
  const first = await upload('managed', returning('one'));
  const second = await upload('managed', returning('two'));
  expect(await everywhere()).toEqual(['two', 'two']);
  const { versions } = JSON.parse((await cluster.admin('lambdas', 'versions', 'managed', '--json')).stdout);
  expect(versions.map((one: { version: string; current: boolean }) => [one.version, one.current])).toEqual([
    [second, true],
    [first, false],
  ]);
  const back = await cluster.admin('lambdas', 'rollback', 'managed');
  expect(back).toMatchObject({ status: 0, stdout: `managed is version ${first} again\n` });
  expect(await everywhere()).toEqual(['one', 'one']);
  expect((await cluster.admin('lambdas', 'show', 'managed')).stdout).toContain(first);
  expect((await cluster.admin('lambdas', 'delete', 'managed')).status).toBe(0);
  expect(await everywhere()).toEqual([404, 404]);
  succeeded(await cluster.admin('lambdas', 'rollback', 'managed', second.slice(0, 8)), 'admin lambdas rollback');
  expect(await everywhere()).toEqual(['two', 'two']);
  expect(await cluster.admin('lambdas', 'rollback', 'managed', 'ffffffff')).toMatchObject({ status: 3 });
  expect(await cluster.admin('lambdas', 'show', 'never')).toMatchObject({ status: 3 });
});

test('a call that runs on the old version ends on it; the instances of a deleted lambda end', async () => {
  await put('running', waitingCode('old'));
  const call = cluster.call('running');
  const scratch = await callRuns(cluster, 'running');
  await put('running', returning('new'));
  expect((await cluster.call('running')).json).toBe('new');
  letGo(scratch);
  expect((await call).json).toBe('old');
  const { status } = await registry.send('DELETE', '/registry/running.tar.gz');
  expect(status).toBe(204);
  await eventually(() => expect(cluster.instanceDirs('running')).toEqual([]));
});

test('without the registry what is there goes on, and it is followed again when it is back', async () => {
  await put('steady', returning('before'));
  await Promise.all([0, 1].map((worker) => cluster.call('steady', {}, worker)));
  process.kill(registry.pid(), 'SIGKILL');
  await eventually(async () => {
    expect((await cluster.call('unheard-of')).json.errorType).toBe('Registry.Unreachable');
  });
  for (const worker of [0, 1]) expect((await cluster.call('steady', {}, worker)).json).toBe('before');
  const failed = await cluster.admin('upload', '--handler=steady', `--file=${directory('steady', returning('x'))}`);
  expect(failed).toMatchObject({ status: 6, stderr: expect.stringContaining('nobody listens there') });
  registry = await TestRegistry.start(cluster, registry);
  await put('steady', returning('after'));
  await eventually(async () => {
    for (const worker of [0, 1]) expect((await cluster.call('steady', {}, worker)).json).toBe('after');
  });
});

test('a worker that stands still holds an upload up for a moment, and runs the new version afterwards', async () => {
  await put('slow', returning('one'));
  expect((await cluster.call('slow', {}, 1)).json).toBe('one');
  process.kill(cluster.workerPid(1), 'SIGSTOP');
  try {
    await put('slow', returning('two'));
    expect((await cluster.call('slow', {}, 0)).json).toBe('two');
  } finally {
    process.kill(cluster.workerPid(1), 'SIGCONT');
  }
  await eventually(async () => expect((await cluster.call('slow', {}, 1)).json).toBe('two'));
});

test('what this cluster does not allow is the error of the lambda, or leaves the version before in its place', async () => {
  const asking = directory('asking', returning('wide'));
  writeFileSync(join(asking, 'lambda.json'), '{"network": "outbound"}');
  const refused = await cluster.admin('upload', '--handler=asking', `--file=${asking}`);
  expect(refused).toMatchObject({ status: 4, stderr: expect.stringContaining('lambda.json: network') });
  // Another client knows nothing of this cluster's terms, and another cluster may allow it.
  const packed = join(asking, '..', 'asking.tar.gz');
  succeeded(await run('tar', ['-czf', packed, '-C', asking, '.']), 'tar');
  const send = () => registry.send('PUT', '/registry/asking.tar.gz', readFileSync(packed));
  expect((await send()).status).toBe(200);
  expect(await cluster.call('asking')).toMatchObject({ status: 500, json: { errorType: 'Lambda.Invalid' } });
  await put('asking', returning('narrow'));
  expect((await cluster.call('asking')).json).toBe('narrow');
  expect((await send()).status).toBe(200);
  expect((await cluster.call('asking')).json).toBe('narrow');
  await eventually(() => expect(cluster.log()).toContain('a new version of a lambda can not be used'));
});
