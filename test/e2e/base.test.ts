/** Bases other than the machine's own: a root file system as a directory and as a tarball. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withCluster } from './use-cluster.ts';

let temp: string;
let root: string;
beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'isla-base-'));
  root = join(temp, 'root');
  makeRoot(root);
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

/** This machine's Python with its standard library and what the linker finds for them, and nothing else. */
function makeRoot(into: string): void {
  const python = realpathSync('/usr/bin/python3');
  const ask = 'import sysconfig; print(sysconfig.get_path("stdlib"))';
  const library = execFileSync(python, ['-I', '-c', ask], { encoding: 'utf8' }).trim();
  const extensions = readdirSync(join(library, 'lib-dynload')).map((name) => join(library, 'lib-dynload', name));
  for (const dir of ['usr/bin', 'etc', 'tmp']) mkdirSync(join(into, dir), { recursive: true });
  for (const link of ['lib', 'lib64', 'bin']) {
    const at = realpathSync(`/${link}`);
    mkdirSync(join(into, at), { recursive: true });
    if (at !== `/${link}`) execFileSync('ln', ['-s', at.slice(1), join(into, link)]);
  }
  cpSync(python, join(into, '/usr/bin/python3'));
  chmodSync(join(into, '/usr/bin/python3'), 0o755);
  cpSync(library, join(into, library), {
    recursive: true,
    dereference: true,
    filter: (path) => !path.includes('/test'),
  });
  for (const object of sharedObjects([python, ...extensions])) {
    mkdirSync(join(into, dirname(object)), { recursive: true });
    cpSync(object, join(into, object), { dereference: true });
  }
  writeFileSync(join(into, 'etc/mark'), 'made for a test');
}

function sharedObjects(files: string[]): string[] {
  const said = execFileSync('ldd', files, { encoding: 'utf8' });
  return [...new Set([...said.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map((found) => found[1] as string))];
}
