/** Home-made wheels: what cannot be installed, who waits, and who asks at the same moment. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { WheelIndex } from '../fixtures/wheel-index.ts';
import { type Wheel, Wheelhouse } from '../fixtures/wheelhouse.ts';
import type { TestCluster } from './cluster.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const HOSTILE: [name: string, wheel: Partial<Wheel>, reason: RegExp][] = [
  [
    'climber',
    { files: { 'a/../../../escaped.py': 'x' } },
    /the path 'a\/\.\.\/\.\.\/\.\.\/escaped\.py' in it leads out/,
  ],
  ['rooted', { files: { '/tmp/escaped.py': 'x' } }, /the path '\/tmp\/escaped\.py' in it leads out/],
  ['scheming', { files: { 'scheming-1.0.data/data/../../x': 'x' } }, /leads out of the package/],
  ['linked', { links: { 'passwd.py': '/etc/passwd' } }, /passwd\.py in it is neither a file nor a directory/],
  ['doubled', { files: { 'a.py': '1' }, twice: 'a.py' }, /it has a\.py twice/],
  ['masked', { info: 'requests-2.0.dist-info' }, /'requests-2\.0\.dist-info' does not start with 'masked'/],
  ['aged', { info: 'aged-9.0.dist-info' }, /it says it is aged 9\.0, not aged 1\.0/],
  ['spoiled', { files: { 'a.py': 'x = 1\n'.repeat(500) }, damage: 'a.py' }, /a\.py in it is damaged/],
  ['strange', { files: { 'strange-1.0.data/etc/passwd': 'x' } }, /of a kind that wheels do not have/],
];

const house = new Wheelhouse();
/** What pip executes to learn what a source distribution needs. */
const executed = house.addSource('evil', '1.0', {
  'setup.py': `open(${JSON.stringify(join(house.tmp, 'executed'))}, "w")\n`,
});
house.add(
  { name: 'luring', version: '1.0', files: { 'luring.py': '' }, requires: [`evil @ file://${executed}`] },
  { name: 'cloning', version: '1.0', files: { 'cloning.py': '' }, requires: ['evil @ git+https://127.0.0.1:1/x.git'] },
  { name: 'one', version: '1.0', files: { 'one/__init__.py': 'VALUE = 1\n' }, requires: ['base>=1'] },
  { name: 'two', version: '1.0', files: { 'two.py': 'VALUE = 2\n' }, requires: ['base<1'] },
  { name: 'base', version: '1.0', files: { 'base.py': 'VALUE = 0\n', 'shared/a.py': '' } },
  { name: 'base', version: '0.9', files: { 'base.py': 'VALUE = -1\n' } },
  { name: 'other', version: '2.0', files: { 'other.py': 'VALUE = 3\n' }, tag: 'cp27-cp27m-win32' },
  ...HOSTILE.map(([name, wheel]) => ({ name, version: '1.0', files: { 'fine.py': '' }, ...wheel })),
);
afterAll(() => house.dispose());

function lambda(requirements: string, imports = 'base'): Record<string, string> {
  const code = `import ${imports}\ndef handler(event):\n    return [m.VALUE for m in (${imports},)]\n`;
  return { 'lambda_func.py': code, 'requirements.txt': requirements };
}

/** What is installed or being made: names of directories below each interpreter's, and drafts. */
function installed(cluster: TestCluster): { wheels: number; sets: number; drafts: string[] } {
  const packages = join(cluster.dir, 'packages');
  const below = (name: string) =>
    readdirSync(packages)
      .map((key) => join(packages, key, name))
      .filter(existsSync)
      .flatMap((dir) => readdirSync(dir));
  return { wheels: below('wheels').length, sets: below('sets').length, drafts: readdirSync(join(packages, 'tmp')) };
}

describe('what cannot be installed is said', () => {
  const cluster = useCluster({ env: house.environment(), settings: { packages_wait_ms: 120_000 } });

  test.each(HOSTILE)('a wheel that would do harm is refused: %s', async (name, _wheel, reason) => {
    cluster().install(name, lambda(name));
    const answer = await cluster().call(name);
    expect([answer.status, answer.json.errorType], answer.text).toEqual([500, 'Packages.Failed']);
    expect(answer.json.errorMessage).toMatch(reason);
    expect(answer.json.errorMessage).toContain(`The packages of lambda ${name} (requirements.txt) cannot be installed`);
    expect(installed(cluster()).drafts).toEqual([]);
    expect(house.left()).toEqual([]);
  });

  test.each([
    ['missing', 'nowhere-to-be-found==1', /No matching distribution found for nowhere-to-be-found==1/],
    ['conflict', 'one\ntwo', /one 1\.0 depends on base>=1; .*two 1\.0 depends on base<1/],
    ['platform', 'other', /No matching distribution found for other; .*only wheels/],
    ['hashed', `base==1.0 --hash=sha256:${'0'.repeat(64)}`, /DO NOT MATCH THE HASHES/],
  ])('with the reason of pip: %s', async (name, requirements, reason) => {
    cluster().install(name, lambda(requirements));
    const answer = await cluster().call(name);
    expect([answer.status, answer.json.errorType], answer.text).toEqual([500, 'Packages.Failed']);
    expect(answer.json.errorMessage).toMatch(reason);
    expect(answer.json.errorMessage).not.toContain(house.dir);
  });

  test.each([
    ['luring', /evil-1\.0\.tar\.gz, which luring needs, is a source distribution; only wheels are taken/],
    ['cloning', /straight out of a repository|No connection adapters|Invalid URL/],
  ])('nothing that a wheel needs is executed, wherever it says that it is: %s', async (name, reason) => {
    cluster().install(name, lambda(name));
    const answer = await cluster().call(name);
    expect([answer.status, answer.json.errorType], answer.text).toEqual([500, 'Packages.Failed']);
    expect(answer.json.errorMessage).toMatch(reason);
    expect(existsSync(join(house.tmp, 'executed'))).toBe(false);
  });

  test('is not tried again by every call, and at once when the file has changed', async () => {
    cluster().install('mended', lambda('base==7'));
    const first = await cluster().call('mended');
    expect(first.json.errorMessage).toContain('base==7');
    expect((await cluster().call('mended')).json.errorMessage).toBe(first.json.errorMessage);
    const tries = cluster().log().split('base==7"],"msg":"packages are being installed"').length - 1;
    expect(tries).toBe(1);
    cluster().install('mended', lambda('base==1.0'));
    expect((await cluster().call('mended')).json).toEqual([0]);
    cluster().install('mended', lambda('base<1'));
    expect((await cluster().call('mended')).json).toEqual([-1]);
  });

  test.each([
    [
      'option',
      '--index-url https://example.com/simple\nbase',
      /requirements\.txt: line 1: .*options are not allowed.*packages_allow does not have "options"/,
    ],
    ['address', 'base @ https://example.com/base.whl', /an address instead of a version/],
    ['path', './base-1.0-py3-none-any.whl', /paths are not allowed/],
  ])('before pip is asked: %s', async (name, requirements, reason) => {
    cluster().install(name, lambda(requirements));
    const answer = await cluster().call(name);
    expect([answer.status, answer.json.errorType]).toEqual([500, 'Lambda.Invalid']);
    expect(answer.json.errorMessage).toMatch(reason);
  });
});

test('packages that vanish under a worker are installed again for the next call', async () => {
  await withCluster({ env: house.environment(), settings: { packages_wait_ms: 120_000 } }, async (cluster) => {
    cluster.install('a', lambda('one', 'one,base'));
    expect((await cluster.call('a')).json).toEqual([1, 0]);
    const [key] = readdirSync(join(cluster.dir, 'packages')).filter((name) => name.startsWith('cpython'));
    rmSync(join(cluster.dir, 'packages', key as string), { recursive: true });
    // What runs has its packages still: only a new instance looks for them.
    cluster.install('a', lambda('one', 'base,one'));
    expect((await cluster.call('a')).json).toEqual([0, 1]);
    expect(installed(cluster)).toEqual({ wheels: 2, sets: 1, drafts: [] });
  });
});

test('an index that wants a password has it out of the .netrc of whoever runs the worker', async () => {
  const index = new WheelIndex(house.dir, { base: ['base-1.0-py3-none-any.whl'] });
  index.login = 'reader:secret';
  await index.listen();
  const HOME = mkdtempSync(join(house.tmp, 'home-'));
  const env = { ...house.environment(), PIP_NO_INDEX: '', PIP_FIND_LINKS: '', HOME };
  try {
    await withCluster({ env, settings: { packages_wait_ms: 120_000, pip_mirror: index.url } }, async (cluster) => {
      cluster.install('a', lambda('base'));
      expect((await cluster.call('a')).json.errorMessage).toContain('No matching distribution found for base');
      writeFileSync(join(HOME, '.netrc'), 'machine 127.0.0.1 login reader password secret\n', { mode: 0o600 });
      cluster.install('a', lambda('base>0'));
      expect((await cluster.call('a')).json).toEqual([0]);
      expect(cluster.log()).not.toContain('secret');
    });
  } finally {
    index.close();
  }
});

test('without packages to install nothing is looked for, and no directory for them is made', async () => {
  await withCluster({ env: house.environment(), settings: { log_level: 'debug' } }, async (cluster) => {
    cluster.install('plain', 'def handler(event):\n    return 1\n');
    cluster.install('empty', {
      'lambda_func.py': 'def handler(event):\n    return 2\n',
      'requirements.txt': '# none\n',
    });
    expect([(await cluster.call('plain')).json, (await cluster.call('empty')).json]).toEqual([1, 2]);
    expect(readdirSync(join(cluster.dir, 'packages'))).toEqual([]);
    expect(cluster.log()).not.toContain('"packages');
  });
});

test('with packages_wait_ms 0 a caller is told what is going on, and later callers find it done', async () => {
  await withCluster({ env: house.environment(), settings: { packages_wait_ms: 0 } }, async (cluster) => {
    cluster.install('soon', lambda('one', 'one,base'));
    const first = await cluster.call('soon');
    expect([first.status, first.json.errorType, first.headers.get('retry-after')]).toEqual([
      503,
      'Packages.Installing',
      '5',
    ]);
    expect(first.json.errorMessage).toMatch(
      /^The packages of lambda soon are being installed \(.+, since \d+ s\); the event was not run\.$/,
    );
    await expect.poll(async () => (await cluster.call('soon')).json, { timeout: 60_000 }).toEqual([1, 0]);
  });
});

test('twelve who ask four workers at the same moment have it installed once', async () => {
  const settings = { packages_wait_ms: 120_000, log_level: 'debug' };
  await withCluster({ env: house.environment(), settings, workers: 4 }, async (cluster) => {
    for (const name of ['a', 'b', 'c']) cluster.install(name, lambda('one', 'one,base'));
    const calls = [0, 1, 2, 3].flatMap((worker) => ['a', 'b', 'c'].map((name) => cluster.call(name, {}, worker)));
    for (const answer of await Promise.all(calls)) expect(answer.json, answer.text).toEqual([1, 0]);
    const log = [0, 1, 2, 3].map((worker) => cluster.log(worker)).join('');
    expect(log.split('"progress":"choosing versions"').length - 1).toBe(1);
    expect(installed(cluster)).toEqual({ wheels: 2, sets: 1, drafts: [] });
    expect(house.left()).toEqual([]);
  });
});
