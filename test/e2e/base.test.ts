/** Bases other than the machine's own: a root file system as a directory and as a tarball. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRoot } from './base-root.ts';
import { withCluster } from './use-cluster.ts';

let temp: string;
let root: string;
beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'isla-base-'));
  root = join(temp, 'root');
  makeRoot(root, '/usr/bin/python3');
  writeFileSync(join(root, 'etc/mark'), 'made for a test');
});
afterAll(() => rmSync(temp, { recursive: true }));

const LAMBDA =
  'import os\ndef handler(event):\n    return [open("/etc/mark").read(), os.path.exists("/usr/bin/env")]\n';

test('lambdas run in a root file system that is given as a directory', async () => {
  await withCluster({ settings: { base: root } }, async (cluster) => {
    cluster.install('where', LAMBDA);
    expect((await cluster.call('where')).json).toEqual(['made for a test', false]);
  });
});

test('lambdas run in a root file system that is given as a tarball, which is unpacked once', async () => {
  const tarball = join(temp, 'root.tar.gz');
  execFileSync('tar', ['-C', root, '-czf', tarball, '.']);
  await withCluster({ settings: { base: tarball } }, async (cluster) => {
    cluster.install('where', LAMBDA);
    expect((await cluster.call('where')).json).toEqual(['made for a test', false]);
    const before = readdirSync(join(cluster.dir, 'base')).sort();
    await cluster.admin('kill');
    await cluster.startWorkers();
    expect((await cluster.call('where')).json).toEqual(['made for a test', false]);
    expect(readdirSync(join(cluster.dir, 'base')).sort()).toEqual(before);
  });
});

test('a base without Python is refused by name, and no worker is left half-started', async () => {
  const empty = join(temp, 'empty');
  mkdirSync(empty);
  await withCluster({ running: false, settings: { base: empty } }, async (cluster) => {
    const started = await cluster.admin('workers', '--port=0');
    expect(started.status).not.toBe(0);
    expect(started.stdout + started.stderr).toContain(empty);
    expect(readdirSync(join(cluster.dir, 'logs')).filter((name) => name.endsWith('.pid'))).toEqual([]);
  });
});
