/** A cluster whose registry is somebody else's S3 store. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cleanEnvironment, run, succeeded } from './admin.ts';
import { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { FOREIGN_BUCKET, FOREIGN_KEYS, ForeignStore } from './foreign-store.ts';

const store = new ForeignStore();
let cluster: TestCluster;

beforeAll(async () => {
  await store.start();
  cluster = await TestCluster.make({ settings: store.settings() });
  store.writeKeys(cluster.dir);
  await cluster.startWorkers(1);
});
afterAll(async () => {
  await cluster?.dispose();
  await store.dispose();
});

/** A directory with the lambda's code, outside of the cluster's own registry. */
function code(name: string, text: string): string {
  const dir = join(cluster.dir, '..', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'lambda_func.py'), `def handler(event):\n    return ${JSON.stringify(text)}\n`);
  return dir;
}

async function upload(name: string, text: string): Promise<string> {
  const done = await cluster.admin('upload', `--handler=${name}`, `--file=${code(name, text)}`);
  return succeeded(done, 'admin upload').stdout;
}

test('a directory is uploaded, and the command says the version and how to call it', async () => {
  const said = await upload('hello', 'one');
  expect(said).toMatch(/^hello is deployed, version [0-9a-f]{64} \(0\.0 MiB\)\n/);
  expect(said).toContain(`admin invoke hello '{}' --cluster=`);
  expect(said).toContain(`curl -X POST ${cluster.url()}/runLambda/hello`);
  expect(await cluster.call('hello')).toMatchObject({ status: 200, json: 'one' });
});

test('a call after an upload runs the new code, every time', async () => {
  for (let round = 0; round < 10; round += 1) {
    await upload('again', `round ${round}`);
    expect((await cluster.call('again')).json).toBe(`round ${round}`);
  }
});

test('what aws-cli copies there is a lambda', async ({ skip }) => {
  const env = cleanEnvironment({
    AWS_ACCESS_KEY_ID: FOREIGN_KEYS.access_key,
    AWS_SECRET_ACCESS_KEY: FOREIGN_KEYS.secret_key,
    AWS_DEFAULT_REGION: 'us-east-1',
    NO_PROXY: '*',
  });
  const there = await run('aws', ['--version'], { env }).catch(() => ({ status: 127 }));
  if (there.status !== 0) skip('there is no aws-cli on this machine');
  const bundle = join(cluster.dir, '..', 'by-aws.tar.gz');
  succeeded(await run('tar', ['-czf', bundle, '-C', join(code('by-aws', 'aws'), '..'), 'by-aws'], { env }), 'tar');
  const args = ['--endpoint-url', store.url, 's3', 'cp', bundle, `s3://${FOREIGN_BUCKET}/`];
  succeeded(await run('aws', args, { env }), 'aws s3 cp');
  expect((await cluster.call('by-aws')).json).toBe('aws');
});

test('while the store is down, lambdas go on; afterwards new versions come', async () => {
  await upload('steady', 'before');
  expect((await cluster.call('steady')).json).toBe('before');
  await store.stop();
  expect((await cluster.call('steady')).json).toBe('before');
  expect(await cluster.call('unheard-of')).toMatchObject({ status: 503, json: { errorType: 'Registry.Unreachable' } });
  const failed = await cluster.admin('upload', '--handler=steady', `--file=${code('steady', 'after')}`);
  expect(failed).toMatchObject({ status: 6, stderr: expect.stringMatching(/does not answer: nobody listens there/) });
  await store.start();
  await upload('steady', 'after');
  await eventually(async () => expect((await cluster.call('steady')).json).toBe('after'));
});

test('what is no lambda is not even sent, and says what it lacks', async () => {
  const dir = join(cluster.dir, '..', 'empty');
  mkdirSync(dir);
  writeFileSync(join(dir, 'readme.txt'), 'x');
  const refused = await cluster.admin('upload', '--handler=empty', `--file=${dir}`);
  expect(refused).toMatchObject({ status: 4, stdout: '' });
  expect(refused.stderr).toMatch(/admin: the bundle can not be used: there is none of lambda_func\.py/);
  expect((await cluster.call('empty')).status).toBe(404);
});

test('wishes that make no sense are usage errors', async () => {
  expect(await cluster.admin('upload', '--file=x')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/needs --handler/),
  });
  expect(await cluster.admin('upload', '--handler=x')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/needs --file/),
  });
  expect(await cluster.admin('upload', '--handler=a/b', '--file=x')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/is no name/),
  });
  const missing = await cluster.admin('upload', '--handler=x', '--file=/nowhere');
  expect(missing).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/can not read \/nowhere: there is no such file/),
  });
  expect(await cluster.admin('lambdas', 'destroy')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/has the actions list, show/),
  });
  expect(await cluster.admin('lambdas', 'show')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/needs the name/),
  });
});

test('lambdas are listed, shown and deleted; versions are for Isla’s own registry', async () => {
  await upload('listed', 'x');
  const { stdout } = await cluster.admin('lambdas', 'list');
  expect(stdout).toMatch(/^NAME +VERSION +SIZE +UPLOADED\n/);
  expect(stdout).toMatch(/^listed +- +0\.0 MiB +20/m);
  expect((await cluster.admin('lambdas', 'show', 'listed')).stdout).toMatch(/^object +listed\.tar\.gz$/m);
  expect((await cluster.call('listed')).status).toBe(200);
  expect(await cluster.admin('lambdas', 'delete', 'listed')).toMatchObject({
    status: 0,
    stdout: 'listed is deleted\n',
  });
  expect((await cluster.call('listed')).status).toBe(404);
  expect(await cluster.admin('lambdas', 'delete', 'listed')).toMatchObject({ status: 3 });
  expect(await cluster.admin('lambdas', 'versions', 'hello')).toMatchObject({
    stderr: expect.stringMatching(/only Isla's own registry/),
  });
});

test('an upload with other keys is not allowed', async () => {
  const args = [
    'upload',
    '--handler=hello',
    `--file=${code('hello', 'x')}`,
    '--access-key=OTHER',
    '--secret-key=S3RVER',
  ];
  expect(await cluster.admin(...(args as [string]))).toMatchObject({
    status: 7,
    stderr: expect.stringMatching(/the keys are not those/),
  });
});

test('a cluster whose lambdas are directories says so', async () => {
  const local = await TestCluster.make();
  try {
    local.install('here', 'def handler(event):\n    return 1\n');
    expect(await local.admin('lambdas', 'list')).toMatchObject({ status: 0, stdout: 'here\n' });
    const refused = await local.admin('upload', '--handler=x', `--file=${join(local.dir, 'registry/here')}`);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringMatching(/are the directories in .*registry/) });
  } finally {
    await local.dispose();
  }
});
