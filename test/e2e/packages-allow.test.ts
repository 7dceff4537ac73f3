/** Lists of packages that say more than names and versions, where `packages_allow` allows that. */
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WheelIndex } from '../fixtures/wheel-index.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { cleanEnvironment } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { useCluster } from './use-cluster.ts';

const ours = new Wheelhouse();
const theirs = new Wheelhouse();
const base = (value: number) => ({ name: 'base', version: '1.0', files: { 'base.py': `VALUE = ${value}\n` } });
ours.add(
  base(1),
  { name: 'base', version: '2.0a1', files: { 'base.py': 'VALUE = 2\n' } },
  { name: 'upper', version: '1.0', files: { 'upper.py': '' }, requires: ['base'] },
);
theirs.add(base(10), {
  name: 'brought',
  version: '1.0',
  files: { 'brought.py': '' },
  requires: ['base'],
  extras: { more: ['upper'] },
});
const files = { base: ['base-1.0-py3-none-any.whl', 'base-2.0a1-py3-none-any.whl'], upper: [wheel('upper')] };
const ourIndex = new WheelIndex(ours.dir, files);
const theirIndex = new WheelIndex(theirs.dir, { base: [wheel('base')] });
beforeAll(() => Promise.all([ourIndex.listen(), theirIndex.listen()]));
afterAll(() => {
  for (const one of [ourIndex, theirIndex]) one.close();
  for (const one of [ours, theirs]) one.dispose();
});

const env = cleanEnvironment({ PIP_RETRIES: '0', PIP_CONFIG_FILE: '/dev/null', TMPDIR: ours.tmp });
delete env.PIP_FIND_LINKS;
const settings = { packages_wait_ms: 120_000, packages_allow: ['options', 'urls', 'paths'] };
const cluster = useCluster({ env, settings });

const CODE = 'import base\ndef handler(event):\n    return base.VALUE\n';

function wheel(name: string): string {
  return `${name}-1.0-py3-none-any.whl`;
}

/** What its handler finds of the package `base`. */
async function baseOf(name: string, list: string, more: Record<string, string> = {}): Promise<unknown> {
  cluster().install(name, { 'lambda_func.py': CODE, 'requirements.txt': list, ...more });
  return answerOf(name);
}

async function answerOf(name: string): Promise<unknown> {
  const answer = await cluster().call(name);
  return answer.status === 200 ? answer.json : answer.json.errorMessage;
}

function resolutions(of: TestCluster): { requirements: string[]; members: { name: string }[] }[] {
  const dir = join(of.dir, 'packages');
  const key = readdirSync(dir).find((name) => name.startsWith('cpython')) as string;
  const names = readdirSync(join(dir, key, 'resolved')).filter((name) => name.endsWith('.json'));
  return names.map((name) => JSON.parse(readFileSync(join(dir, key, 'resolved', name), 'utf8')));
}

test('an index of the list comes in place of the others, and neither takes what the other has chosen', async () => {
  const other = `--index-url ${theirIndex.url}\nbase`;
  const mine = `--index-url ${ourIndex.url}\nbase`;
  expect(await baseOf('mine', mine)).toBe(1);
  expect(await baseOf('other', other)).toBe(10);
  expect(await baseOf('mine', mine)).toBe(1);
  expect(await baseOf('pre', `${mine}\n--pre`)).toBe(2);
  expect(await baseOf('held', `${mine}\n--pre\n-c lists/held.txt`, { 'lists/held.txt': 'base<2.dev0\n' })).toBe(1);
  expect(await baseOf('none', `--no-index\nbase`)).toContain('No matching distribution found for base');
  expect(resolutions(cluster()).map(({ requirements }) => requirements)).toContainEqual([
    `--index-url ${theirIndex.url}`,
    'base',
  ]);
});

test('two lambdas with the same list and the same index share what it came to', async () => {
  const list = `--index-url ${ourIndex.url}\nupper`;
  expect(await baseOf('first', list)).toBe(1);
  const before = resolutions(cluster()).length;
  expect(await baseOf('second', list)).toBe(1);
  expect(resolutions(cluster())).toHaveLength(before);
});

test('a wheel at an address is had, and had again when it has vanished', async () => {
  const address = `${theirIndex.url.replace('/simple', '/files')}/${wheel('base')}`;
  expect(await baseOf('addressed', `base @ ${address}`)).toBe(10);
  expect(await baseOf('bare', address)).toBe(10);
  const key = readdirSync(join(cluster().dir, 'packages')).find((name) => name.startsWith('cpython')) as string;
  for (const dir of ['wheels', 'sets']) {
    rmSync(join(cluster().dir, 'packages', key, dir), { recursive: true });
  }
  expect(await baseOf('addressed', `base @ ${address}`, { 'lambda_func.py': `# again\n${CODE}` })).toBe(10);
  expect(await baseOf('hashed', `${address} --hash=sha256:${'0'.repeat(64)}`)).toContain('DO NOT MATCH THE HASHES');
});

test('wheels that the lambda brings are had from its own directory only, and by what is in them', async () => {
  const bring = (name: string, from: Wheelhouse, file: string): void => {
    cluster().install(name, { 'lambda_func.py': CODE, 'wheels/readme.txt': '' });
    copyFileSync(join(from.dir, file), join(cluster().dir, 'registry', name, 'wheels', file));
  };
  const list = `./wheels/${wheel('base')}`;
  bring('ours', ours, wheel('base'));
  expect(await baseOf('ours', list)).toBe(1);
  bring('theirs', theirs, wheel('base'));
  expect(await baseOf('theirs', list)).toBe(10);
  bring('ours', theirs, wheel('base'));
  expect(await answerOf('ours')).toBe(10);
  bring('linked', theirs, wheel('brought'));
  const more = `--index-url ${ourIndex.url}\n--find-links wheels\nbrought[more]`;
  expect(await baseOf('linked', more)).toBe(1);
  expect(await baseOf('linked', `./wheels/${wheel('brought')}[more]\n--index-url ${theirIndex.url}`)).toMatch(
    /No matching distribution found for upper/,
  );
  expect(await baseOf('astray', `../ours/wheels/${wheel('base')}`)).toContain('a path with .. is not allowed');
});

test('what a lambda is not allowed to say is refused with the line and the setting', async () => {
  for (const [line, words] of [
    ['base @ file:///etc/passwd', 'line 2: "base @ file:///etc/passwd": an address begins with https:// or http://'],
    ['-e .', 'line 2: "-e .": a directory of sources is no package'],
  ] as const) {
    expect(await baseOf('refused', `base\n${line}`)).toContain(words);
  }
});
