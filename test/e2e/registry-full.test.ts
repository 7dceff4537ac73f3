/** A registry whose disk is full: a small file system that exists in its own mount namespace alone. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, run, succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { KEYS, makeBundle, sha256, TestRegistry } from './registry.ts';
import { withCluster } from './use-cluster.ts';

const MAY_MOUNT = spawnSync('unshare', ['--mount', 'true']).status === 0;

async function startOnSmallDisk(cluster: TestCluster): Promise<TestRegistry> {
  const store = join(cluster.dir, 'registry-store');
  mkdirSync(store);
  const keys = JSON.stringify({ access_key: KEYS.accessKey, secret_key: KEYS.secretKey });
  writeFileSync(join(cluster.dir, 'config/registry-keys.json'), keys, { mode: 0o600 });
  const script = 'mount -t tmpfs -o size=24m none "$1" && exec "$2" registry-exec --cluster="$3" --port=0';
  const args = ['--mount', '--propagation=private', 'sh', '-c', script, 'sh', store, ADMIN, cluster.dir];
  spawn('unshare', args, { env: cleanEnvironment(), stdio: 'ignore', detached: true }).unref();
  const { port } = await eventually(
    () => JSON.parse(readFileSync(join(cluster.dir, 'config/registry.json'), 'utf8')) as { port: number },
  );
  return TestRegistry.at(cluster, `http://127.0.0.1:${port}`);
}

// Without root nobody mounts a file system to fill.
test.skipIf(!MAY_MOUNT)('a full disk is said, and changes nothing', async () => {
  await withCluster({ running: false }, async (cluster) => {
    const registry = await startOnSmallDisk(cluster);
    const inside = (dir: string) => `/proc/${registry.pid()}/root${join(cluster.dir, 'registry-store', dir)}`;
    const first = makeBundle(100_000);
    expect((await registry.send('PUT', '/registry/first.tar.gz', first)).status).toBe(200);
    const version = async () => JSON.parse((await registry.send('GET', '/-/lambdas/first')).bytes.toString()).version;

    for (const path of ['/registry/first.tar.gz', '/registry/loose/large']) {
      const { status, bytes } = await registry.send('PUT', path, makeBundle(40 * 1024 * 1024));
      expect([status, bytes.toString()]).toEqual([507, expect.stringContaining('<Code>InsufficientStorage</Code>')]);
      expect(bytes.toString()).toContain('The disk of the registry is full; nothing was changed.');
    }
    expect(await version()).toBe(sha256(first));
    expect(readdirSync(inside('tmp'))).toEqual([]);
    expect(readdirSync(inside('blobs'))).toEqual([sha256(first)]);

    const kept: [string, Buffer][] = [];
    let sizeOfNext = 1_000_000;
    while (sizeOfNext > 500) {
      const bytes = makeBundle(sizeOfNext);
      const path = `/registry/filler/${kept.length}`;
      const { status } = await registry.send('PUT', path, bytes);
      if (status === 200) kept.push([path, bytes]);
      else expect(status).toBe(507);
      if (status === 507) sizeOfNext = Math.floor(sizeOfNext / 2);
    }
    for (const [path, bytes] of kept) expect((await registry.send('GET', path)).bytes.equals(bytes), path).toBe(true);
    expect(readdirSync(inside('tmp'))).toEqual([]);
    const fsck = [
      '--mount',
      `--target=${registry.pid()}`,
      ADMIN,
      'registry',
      'fsck',
      '--json',
      `--cluster=${cluster.dir}`,
    ];
    const checked = succeeded(await run('nsenter', fsck), 'admin registry fsck');
    expect(JSON.parse(checked.stdout)).toMatchObject({ objects: kept.length + 1, damage: [], orphans: [] });

    for (const [path] of kept.slice(0, 3)) expect((await registry.send('DELETE', path)).status).toBe(204);
    const second = makeBundle(100_000);
    expect((await registry.send('PUT', '/registry/first.tar.gz', second)).status).toBe(200);
    expect(await version()).toBe(sha256(second));
  });
});
