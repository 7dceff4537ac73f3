/** What `admin doctor` says of Docker. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Check } from '../../src/compose/machine-check.ts';
import { cleanEnvironment, runAdmin, succeeded } from '../e2e/admin.ts';
import { inDocker } from './docker-bench.ts';
import { IMAGE } from './dockerd.ts';

let cluster: string;
beforeAll(async () => {
  cluster = join(mkdtempSync(join(tmpdir(), 'isla-doctor-')), 'cluster');
  succeeded(await runAdmin(['new', `--cluster=${cluster}`]), 'new');
  await set(IMAGE);
});
afterAll(() => {
  rmSync(join(cluster, '..'), { recursive: true });
  expect(inDocker()).toEqual([]);
});

async function set(image: string): Promise<void> {
  const settings = JSON.stringify({ sandbox: 'docker', docker: { image } });
  succeeded(await runAdmin(['setconf', `--cluster=${cluster}`, settings]), 'setconf');
}

async function told(env: NodeJS.ProcessEnv = {}) {
  const { stdout } = await runAdmin(['doctor', `--cluster=${cluster}`, '--json'], {
    env: cleanEnvironment({ DOCKER_HOST: process.env.DOCKER_HOST, ...env }),
  });
  const { fit, checks } = JSON.parse(stdout) as { fit: boolean; checks: Check[] };
  return { fit, docker: checks.filter(({ name }) => name.startsWith('Docker')) };
}

it('a daemon and an image that do', async () => {
  const { fit, docker } = await told();
  expect(fit).toBe(true);
  expect(docker.map(({ name, state }) => [name, state])).toEqual([
    ['Docker', 'ok'],
    ['Docker image', 'ok'],
  ]);
  expect(docker[0]?.found).toMatch(
    /^\d+\.\S+ at \/\S+docker\.sock: (amd64|arm64), cgroups \w+, v[12], seccomp, ids not mapped$/,
  );
  expect(docker[1]?.found).toMatch(/^isla-test:python, with Python 3\.\d+\.\d+$/);
});

it('an image that is not here yet', async () => {
  await set('isla-test:missing');
  const { fit, docker } = await told();
  await set(IMAGE);
  expect([fit, docker[1]]).toMatchObject([
    true,
    { state: 'weaker', found: 'isla-test:missing is not here', mend: 'docker pull isla-test:missing' },
  ]);
});

it('no daemon, where one is needed and where none is', async () => {
  const nowhere = { DOCKER_HOST: 'unix:///nowhere/docker.sock' };
  const { fit, docker } = await told(nowhere);
  expect([fit, docker]).toMatchObject([
    false,
    [
      {
        state: 'missing',
        needed: true,
        found: 'no daemon answers at /nowhere/docker.sock',
        mend: 'service docker start',
      },
    ],
  ]);
  const { stdout } = await runAdmin(['doctor'], { env: cleanEnvironment(nowhere) });
  expect(stdout).toMatch(/optional +Docker +no daemon answers at \/nowhere\/docker\.sock/);
});

it('one that takes connections and answers nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'isla-mute-'));
  const server = createServer(() => {}).listen(join(dir, 'docker.sock'));
  try {
    const { docker } = await told({ DOCKER_HOST: `unix://${dir}/docker.sock` });
    expect(docker).toMatchObject([{ state: 'missing', found: expect.stringMatching(/gives no answer within 5 s$/) }]);
  } finally {
    server.close();
    rmSync(dir, { recursive: true });
  }
});
