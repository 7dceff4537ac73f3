/** How far a download is, told on a terminal and nowhere else. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WheelIndex } from '../fixtures/wheel-index.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { ADMIN, cleanEnvironment, run, succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { withCluster } from './use-cluster.ts';

const BIG = 'big-1.0-py3-none-any.whl';
const house = new Wheelhouse();
const index = new WheelIndex(house.dir, { big: [BIG] });

beforeAll(async () => {
  // Nothing that gets smaller by being packed.
  house.add({ name: 'big', version: '1.0', files: { 'big.txt': randomBytes(3 << 20).toString('base64') } });
  await index.listen();
});
afterAll(() => {
  index.close();
  house.dispose();
});

const environment = (more: NodeJS.ProcessEnv = {}) =>
  cleanEnvironment({
    PIP_CONFIG_FILE: '/dev/null',
    PIP_INDEX_URL: index.url,
    PIP_RETRIES: '0',
    TMPDIR: house.tmp,
    CI: undefined,
    ...more,
  });

function install(cluster: TestCluster): void {
  cluster.install('a', { 'lambda_func.py': 'def handler(event):\n    return 1\n', 'requirements.txt': 'big' });
}

/** On a terminal, until that shows `see`; then ctrl-C. */
async function lookAndLeave(cluster: TestCluster, see: string, env: NodeJS.ProcessEnv) {
  const program = [ADMIN, 'packages', 'install', `--cluster=${cluster.dir}`];
  const steps = JSON.stringify([[see, '\x03']]);
  const args = [resolve(import.meta.dirname, 'type-and-see.py'), steps, ...program];
  const { stdout } = succeeded(await run('python3', args, { env: environment(env), timeoutMs: 120_000 }), see);
  return JSON.parse(stdout) as { status: number; screen: string };
}

test('on a terminal one line says how much of a package is there', async () => {
  await withCluster({ running: false, env: environment() }, async (cluster) => {
    install(cluster);
    index.holding = true;
    const seen = await lookAndLeave(cluster, ' MiB of ', { NO_COLOR: undefined, TERM: 'xterm' });
    expect(seen.status).toBe(130);
    expect(seen.screen).toMatch(new RegExp(`a: downloading ${BIG}: \\d\\.\\d MiB of [34]\\.\\d MiB`));
    const plain = await lookAndLeave(cluster, `downloading ${BIG}`, { NO_COLOR: '1', TERM: 'xterm' });
    expect(plain.screen).toContain(`a: downloading ${BIG}\n`);
    expect(plain.screen).not.toContain('MiB');
    expect(house.left()).toEqual([]);
  });
}, 240_000);

test('elsewhere each step is a line, and with --json there is nothing but that', async () => {
  await withCluster({ running: false, env: environment() }, async (cluster) => {
    install(cluster);
    index.holding = false;
    const plain = succeeded(await cluster.admin('packages', 'install'), 'packages install');
    expect(plain.stderr).toContain(`a: downloading ${BIG}\n`);
    for (const sign of ['MiB', '\r', '\u001b']) expect(plain.stderr).not.toContain(sign);
    expect(plain.stdout).toBe('a has its packages\n');
  });
  await withCluster({ running: false, env: environment() }, async (cluster) => {
    install(cluster);
    const json = succeeded(await cluster.admin('packages', 'install', '--json'), 'packages install');
    expect([JSON.parse(json.stdout), json.stderr]).toEqual([{ lambdas: [{ lambda: 'a', outcome: 'installed' }] }, '']);
  });
}, 240_000);
