/** Versions chosen by uv: `packages_resolver`. uv itself is stood in for by test/fixtures/uv_stand_in.py. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WheelIndex } from '../fixtures/wheel-index.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { cleanEnvironment } from './admin.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const STAND_IN = resolve(import.meta.dirname, '../fixtures/uv_stand_in.py');
const settings = { packages_wait_ms: 120_000, packages_resolver: 'uv' };
const house = new Wheelhouse();
const base = (version: string, value: number) => ({
  name: 'base',
  version,
  files: { 'base.py': `VALUE = ${value}\n` },
});
house.add(base('1.0', 1), base('2.0', 2), base('3.0a1', 3), {
  name: 'upper',
  version: '1.0',
  files: { 'upper.py': 'VALUE = 10\n' },
  requires: ['base<2'],
});
const wheel = (name: string, version: string) => `${name}-${version}-py3-none-any.whl`;
const first = new WheelIndex(house.dir, { upper: [wheel('upper', '1.0')], base: [wheel('base', '1.0')] });
const second = new WheelIndex(house.dir, { base: [wheel('base', '2.0'), wheel('base', '3.0a1')] });
beforeAll(() => Promise.all([first.listen(), second.listen()]));

/** A directory with a `uv`. */
const bin = mkdtempSync(join(tmpdir(), 'isla-uv-'));
chmodSync(bin, 0o755);
copyFileSync(STAND_IN, join(bin, 'uv'));
chmodSync(join(bin, 'uv'), 0o755);
const log = join(bin, 'asked.jsonl');
writeFileSync(log, '');
chmodSync(log, 0o666);
afterAll(() => {
  for (const index of [first, second]) index.close();
  house.dispose();
  rmSync(bin, { recursive: true });
});

const withUv = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({ ...env, PATH: `${bin}:${env.PATH}` });

/** What uv was told to choose by, each time. */
function asked(): { arguments: string[]; variables: string[] }[] {
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line)).filter((one) => one.arguments[0] === 'pip');
}

function lambda(requirements: string, imports = 'base'): Record<string, string> {
  const code = `import ${imports}\ndef handler(event):\n    return [m.VALUE for m in (${imports},)]\n`;
  return { 'lambda_func.py': code, 'requirements.txt': requirements };
}

describe('a cluster whose versions uv chooses, from files', () => {
  const cluster = useCluster({ env: withUv(house.environment()), settings });

  test('has what it has chosen, fetched by its hashes, and says who has chosen', async () => {
    cluster().install('one', lambda('upper\n', 'base, upper'));
    expect((await cluster().call('one')).json).toEqual([1, 10]);
    const { arguments: words, variables } = asked().at(-1) as ReturnType<typeof asked>[0];
    expect(words).toEqual(expect.arrayContaining(['--no-build', '--generate-hashes', '--no-index']));
    expect(words[words.indexOf('--find-links') + 1]).toBe(house.dir);
    expect(variables.filter((name) => name.startsWith('PIP_'))).toEqual([]);
    const { stdout } = await cluster().admin('packages', 'show', 'one');
    expect(stdout).toMatch(/^for cpython.*, chosen \S+ by uv 0\.5\.0/m);
    expect(stdout).toMatch(/^base +1\.0 /m);
  });

  test('takes the same again, which nobody need choose', async () => {
    cluster().install('again', lambda('base>=2\n'));
    expect((await cluster().call('again')).json).toEqual([2]);
    const before = asked().length;
    await cluster().admin('kill');
    const packages = join(cluster().dir, 'packages');
    const key = readdirSync(packages).find((name) => name.startsWith('cpython')) as string;
    for (const dir of ['wheels', 'sets']) rmSync(join(packages, key, dir), { recursive: true });
    await cluster().startWorkers();
    expect((await cluster().call('again')).json).toEqual([2]);
    expect(asked()).toHaveLength(before);
  });

  test('says what uv says of what can not be', async () => {
    cluster().install('none', lambda('nowhere==1\n'));
    const { status, json } = await cluster().call('none');
    expect([status, json.errorType]).toEqual([500, 'Packages.Failed']);
    expect(json.errorMessage).toMatch(
      /No solution found when resolving dependencies: Because nowhere==1 was not found in the package registry, we can conclude that/,
    );
  });
});

test('what pip is configured to reaches uv in its own words, and so does what a list may say', async () => {
  const home = mkdtempSync(join(tmpdir(), 'isla-home-'));
  mkdirSync(join(home, '.config/pip'), { recursive: true });
  writeFileSync(
    join(home, '.config/pip/pip.conf'),
    `[global]\nindex-url = ${first.url}\nprogress-bar = off\n[download]\nextra-index-url =\n    ${second.url}\ntrusted-host = 127.0.0.1\n[install]\nuser = true\n`,
  );
  const env = withUv(cleanEnvironment({ HOME: home, PIP_RETRIES: '0', PIP_PRE: '1', TMPDIR: house.tmp }));
  for (const name of ['PIP_CONFIG_FILE', 'PIP_INDEX_URL', 'PIP_FIND_LINKS', 'PIP_NO_INDEX', 'PIP_EXTRA_INDEX_URL'])
    delete env[name];
  try {
    await withCluster({ env, settings: { ...settings, packages_allow: ['options', 'urls'] } }, async (cluster) => {
      cluster.install('best', lambda('base\n'));
      expect((await cluster.call('best')).json).toEqual([3]);
      const words = asked().at(-1)?.arguments as string[];
      const after = (name: string) => words[words.indexOf(name) + 1];
      expect([
        after('--index-url'),
        after('--extra-index-url'),
        after('--allow-insecure-host'),
        after('--prerelease'),
      ]).toEqual([first.url, second.url, '127.0.0.1', 'allow']);
      cluster.install('own', lambda(`--index-url ${first.url}\nbase\n`));
      expect((await cluster.call('own')).json).toEqual([1]);
      expect(asked().at(-1)?.arguments).not.toContain('--extra-index-url');
      cluster.install('hashes', lambda('--require-hashes\nbase\n'));
      expect((await cluster.call('hashes')).json.errorMessage).toContain(
        '--require-hashes, which can not be said to uv',
      );
    });
  } finally {
    rmSync(home, { recursive: true });
  }
});

test('what pip is configured to and uv has no word for is refused by name', async () => {
  const env = withUv({ ...house.environment(), PIP_USE_FEATURE: 'fast-deps', PIP_PLATFORM: 'ignored' });
  const before = asked().length;
  await withCluster({ env, settings }, async (cluster) => {
    cluster.install('strange', lambda('base\n'));
    const { json } = await cluster.call('strange');
    expect(json.errorMessage).toContain('pip is configured to have use-feature, which can not be said to uv');
    expect(json.errorMessage).toContain('packages_resolver');
  });
  expect(asked()).toHaveLength(before);
});

test('without a uv it is said that there is none', async () => {
  const env = { ...house.environment(), PATH: '/usr/bin:/bin' };
  await withCluster({ env, settings }, async (cluster) => {
    cluster.install('lacking', lambda('base\n'));
    const { status, json } = await cluster.call('lacking');
    expect([status, json.errorType]).toEqual([500, 'Packages.Failed']);
    expect(json.errorMessage).toContain('packages_resolver is "uv", and there is no uv on the PATH');
  });
});
