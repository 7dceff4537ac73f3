/** `admin packages`: what is installed before anybody calls, shown, and removed when nobody needs it any more. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { ADMIN, run, succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { withCluster } from './use-cluster.ts';

const house = new Wheelhouse();
house.add(
  {
    name: 'tool',
    version: '1.0',
    files: {
      'tool/__init__.py': 'def main():\n    print("tool at work")\nVALUE = 1\n',
      'tool-1.0.data/scripts/plain': '#!python\nimport sys\nprint(sys.version_info[0])\n',
      'tool-1.0.data/data/share/tool.txt': 'data',
      'broken/python2.py': 'print "no"\n',
    },
    requires: ['base'],
    extras: { more: ['other'] },
    scripts: { tool: 'tool:main' },
  },
  { name: 'base', version: '1.0', files: { 'base.py': 'VALUE = 0\n' } },
  { name: 'base', version: '2.0', files: { 'base.py': 'VALUE = 2\n' } },
  { name: 'other', version: '1.0', files: { 'other.py': 'VALUE = 3\n' } },
);
afterAll(() => house.dispose());

const options = { env: house.environment(), settings: { packages_wait_ms: 120_000, log_level: 'debug' } };

function lambda(requirements: string, body: string): Record<string, string> {
  return { 'lambda_func.py': `def handler(event):\n    ${body}\n`, 'requirements.txt': requirements };
}

async function packages(cluster: TestCluster, ...args: string[]) {
  const { stdout } = succeeded(await cluster.admin('packages', ...args, '--json'), `packages ${args.join(' ')}`);
  return JSON.parse(stdout);
}

const names = (list: { name: string; version: string }[]) =>
  list.map(({ name, version }) => `${name} ${version}`).sort();

test('what is installed ahead is there for the first call, scripts and data included', async () => {
  await withCluster({ ...options, running: false }, async (cluster) => {
    cluster.install(
      'a',
      lambda(
        'tool[more]',
        'import other, os, subprocess, tool; r = lambda n: subprocess.run("/packages/bin/" + n, stdout=-1).stdout.decode(); ' +
          'return [tool.VALUE, other.VALUE, r("tool"), r("plain"), open("/packages/share/tool.txt").read(), os.access("/packages/tool", os.W_OK)]',
      ),
    );
    cluster.install('plain', { 'lambda_func.py': 'def handler(event):\n    return 1\n' });
    cluster.install('wrong', lambda('nowhere-to-be-found', 'return 1'));
    const installed = await cluster.admin('packages', 'install');
    expect(installed.status).toBe(1);
    expect(installed.stdout).toBe('a has its packages\n');
    expect(installed.stderr).toContain('The packages of lambda wrong (requirements.txt) cannot be installed: ');
    expect(readdirSync(join(cluster.dir, 'workers'))).toEqual([]);
    const { packages: listed } = await packages(cluster, 'list');
    expect(names(listed)).toEqual(['base 2.0', 'other 1.0', 'tool 1.0']);
    expect(listed.map(({ lambdas }: { lambdas: string[] }) => lambdas)).toEqual([['a'], ['a'], ['a']]);
    const shown = await packages(cluster, 'show', 'a');
    expect(shown.resolutions).toHaveLength(1);
    expect(shown.resolutions[0]).toMatchObject({ lambda: 'a', requirements: ['tool[more]'] });
    expect(names(shown.resolutions[0].members)).toEqual(['base 2.0', 'other 1.0', 'tool 1.0']);
    await cluster.startWorkers();
    const answer = await cluster.call('a');
    expect(answer.json, answer.text).toEqual([1, 3, 'tool at work\n', '3\n', 'data', false]);
    expect(cluster.log()).not.toContain('packages are being installed');
  });
});

test('a list of requirements stays with the versions that it came to', async () => {
  await withCluster(options, async (cluster) => {
    cluster.install('a', lambda('base<2', 'import base; return base.VALUE'));
    expect((await cluster.call('a')).json).toBe(0);
    house.add({ name: 'base', version: '1.5', files: { 'base.py': 'VALUE = 15\n' } });
    await cluster.admin('kill');
    await cluster.startWorkers();
    expect((await cluster.call('a')).json).toBe(0);
    cluster.install('b', lambda('base<2,>0', 'import base; return base.VALUE'));
    expect((await cluster.call('b')).json).toBe(15);
  });
});

test('prune keeps what the registry asks for and what runs, and removes the rest', async () => {
  await withCluster(options, async (cluster) => {
    cluster.install('kept', lambda('base==1.0', 'import base; return base.VALUE'));
    cluster.install('gone', lambda('tool', 'import tool; return tool.VALUE'));
    expect((await cluster.call('kept')).json).toBe(0);
    expect((await cluster.call('gone')).json).toBe(1);
    expect(names((await packages(cluster, 'prune')).packages)).toEqual([]);
    rmSync(join(cluster.dir, 'registry/gone'), { recursive: true });
    expect((await cluster.call('gone')).status).toBe(404);
    const dry = await packages(cluster, 'prune', '--dry-run');
    expect(names(dry.packages)).toEqual(['base 2.0', 'tool 1.0']);
    expect(existsSync(dry.sets[0])).toBe(true);
    const pruned = await packages(cluster, 'prune');
    expect(pruned).toMatchObject({ dryRun: false, sets: dry.sets, lists: [['tool']], bytes: dry.bytes });
    expect(existsSync(dry.sets[0])).toBe(false);
    expect(names((await packages(cluster, 'list')).packages)).toEqual(['base 1.0']);
    expect((await cluster.call('kept')).json).toBe(0);
    cluster.install('gone', lambda('tool', 'import tool; return tool.VALUE + 1'));
    expect((await cluster.call('gone')).json).toBe(2);
  });
});

// A small disk is a tmpfs in a mount namespace of the command's own, which takes root.
test.skipIf(process.getuid?.() !== 0)(
  'a full disk is told as that, and leaves nothing behind that is not whole',
  async () => {
    await withCluster({ ...options, running: false }, async (cluster) => {
      house.add({
        name: 'wide',
        version: '1.0',
        files: { 'wide.txt': 'x'.repeat(2_000_000), 'wide.py': 'VALUE = 9\n' },
      });
      cluster.install('a', lambda('wide', 'import wide; return wide.VALUE'));
      const onSmallDisk =
        'mount -t tmpfs -o size=1m,mode=755 none "$1" && shift && "$@"; status=$?; find "$0" -type f; exit $status';
      const dir = join(cluster.dir, 'packages');
      const command = [ADMIN, 'packages', 'install', `--cluster=${cluster.dir}`];
      const full = await run('unshare', ['--mount', 'sh', '-c', onSmallDisk, dir, dir, ...command], {
        env: options.env,
      });
      expect(full.stderr).toContain('cannot be installed: the disk that holds the packages directory is full');
      expect(full.status).toBe(1);
      const left = full.stdout.split('\n').filter((path) => /\.json$|wide/.test(path));
      expect(left).toEqual([]);
      succeeded(await cluster.admin('packages', 'install'), 'with room');
      expect(names((await packages(cluster, 'list')).packages)).toEqual(['wide 1.0']);
    });
  },
);

test('what is not meant is refused with what is', async () => {
  await withCluster({ ...options, running: false }, async (cluster) => {
    for (const [args, said] of [
      [['wash'], /packages has the actions install, list, show, prune/],
      [['list', 'a'], /packages list takes no name/],
      [['show'], /packages show takes the name of one lambda/],
      [['list', '--dry-run'], /packages list takes no --dry-run/],
    ] as const) {
      const { status, stderr } = await cluster.admin('packages', ...args);
      expect([status, stderr]).toEqual([2, expect.stringMatching(said)]);
    }
    cluster.install('plain', { 'lambda_func.py': 'def handler(event):\n    return 1\n' });
    expect((await cluster.admin('packages', 'show', 'plain')).stderr).toContain('it asks for none');
    expect((await cluster.admin('packages', 'show', 'nobody')).stderr).toContain('there is no lambda nobody in ');
    expect((await cluster.admin('packages', 'install', 'nobody')).status).toBe(3);
    expect((await cluster.admin('packages', 'install', 'plain')).stdout).toBe('plain needs no packages\n');
    expect((await cluster.admin('packages', 'list')).stdout).toBe('no packages are installed\n');
  });
});
