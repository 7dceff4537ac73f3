/** How far files of a session are, told on a terminal and nowhere else. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, run, runAdmin, succeeded } from './admin.ts';
import { startGateway } from './gateway.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let work: string;

beforeAll(async () => {
  await startGateway(cluster());
  work = join(cluster().dir, '..', 'work');
  mkdirSync(work);
});

const environment = (more: NodeJS.ProcessEnv = {}) =>
  cleanEnvironment({ ISLA_CLUSTER: cluster().dir, HOME: work, ...more });

function session(...args: string[]) {
  return runAdmin(['session', ...args], { cwd: work, env: environment() });
}

/** What is written over is there, too. */
async function onTerminal(args: readonly string[]): Promise<{ status: number; screen: string }> {
  const env = environment({ TERM: 'xterm', NO_COLOR: undefined, CI: undefined });
  const program = [resolve(import.meta.dirname, 'type-and-see.py'), '[]', ADMIN, ...args];
  return JSON.parse(succeeded(await run('python3', program, { cwd: work, env }), args.join(' ')).stdout);
}

test('says on a terminal, and only there, how far files are', async () => {
  await session('start', 'moving');
  mkdirSync(join(work, 'many'));
  for (let at = 0; at < 24; at++) writeFileSync(join(work, `many/${at}`), Buffer.alloc(1 << 20, at));
  const put = ['session', 'upload', 'moving', 'many'];
  const { screen, status } = await onTerminal(put);
  expect(status).toBe(0);
  expect(screen).toMatch(/^moving: \d+\.\d MiB of 24\.0 MiB/);
  // What is there before the second request has begun is not counted twice, nor is what stands between files.
  const counted = [...screen.matchAll(/moving: ([\d.]+) MiB of/g)].map(([, number]) => Number(number));
  expect(counted).toEqual([...counted].sort((a, b) => a - b));
  expect(counted.at(-1)).toBe(24);
  const get = ['session', 'download', 'moving', 'many/7', '--to=moved'];
  expect((await onTerminal(get)).screen).toMatch(/^many\/7: \d\.\d MiB of 1\.0 MiB/);
  expect(readFileSync(join(work, 'moved/7'))).toEqual(Buffer.alloc(1 << 20, 7));
  expect((await onTerminal([...get, '--json'])).screen).not.toContain('MiB');
  expect(await session(...put.slice(1))).toMatchObject({
    status: 0,
    stdout: expect.not.stringContaining('MiB'),
    stderr: '',
  });
  const all = await session('download', 'moving', 'many');
  expect(all.stderr).toMatch(/^admin: 'many' has more than the 6291456 bytes of one download: /);
  await session('rm', 'moving');
});
