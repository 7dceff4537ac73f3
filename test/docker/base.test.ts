/** `admin base`: an image's files, or a tarball's, as the system of sandboxes that are no containers. */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { cleanEnvironment } from '../e2e/admin.ts';
import { TestCluster } from '../e2e/cluster.ts';
import { docker } from './docker-bench.ts';
import { IMAGE } from './dockerd.ts';

const ROOT =
  'import os\ndef handler(event):\n    return sorted(os.listdir("/usr")), os.path.exists("/etc/debian_version")\n';
/** What the image has there, which is little. */
const OF_IMAGE = [['bin', 'lib', 'lib64'], false];

let cluster: TestCluster;
afterEach(() => cluster.dispose());

const make = async () => {
  cluster = await TestCluster.make({ env: cleanEnvironment({ DOCKER_HOST: process.env.DOCKER_HOST }) });
  cluster.install('root', ROOT);
};

it('is an image, a tarball or this machine again, and Docker keeps nothing', async () => {
  await make();
  const before = docker('ps', '--all', '--quiet');
  const said = await cluster.admin('base', `--from-docker=${IMAGE}`);
  expect(said).toMatchObject({ status: 0, stdout: expect.stringMatching(/^base: \S+\/base\/[0-9a-f]+\/root\n$/) });
  expect(docker('ps', '--all', '--quiet')).toEqual(before);
  await cluster.startWorkers();
  expect((await cluster.call('root')).json).toEqual(OF_IMAGE);
  await cluster.admin('kill');

  expect((await cluster.admin('base', '--from-host')).stdout).toBe('base: host\n');
  await cluster.startWorkers();
  expect((await cluster.call('root')).json[1]).toBe(true);
  await cluster.admin('kill');

  const tarball = join(cluster.dir, 'image.tar');
  const id = docker('create', IMAGE, 'true')[0] as string;
  execFileSync('docker', ['export', '--output', tarball, id]);
  docker('rm', id);
  expect((await cluster.admin('base', `--from-tar=${tarball}`)).status).toBe(0);
  rmSync(tarball);
  await cluster.startWorkers();
  expect((await cluster.call('root')).json).toEqual(OF_IMAGE);
});

it.each([
  [
    'an image that is nowhere',
    '--from-docker=isla-test:missing',
    /isla-test:missing is not here and can not be pulled/,
  ],
  ['a tarball that is nowhere', '--from-tar=missing.tar', /missing.tar does not exist/],
  ['two at once', '--from-host --from-tar=x.tar', /choose one of/],
])('is not changed by %s', async (_what, flags, words) => {
  await make();
  const refused = await cluster.admin('base', ...flags.split(' '));
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toMatch(words);
  expect((await cluster.admin('base', '--json')).stdout).toBe('{"base":"host"}\n');
  expect(readdirSync(join(cluster.dir, 'base')).filter((name) => name !== 'etc')).toEqual([]);
});
