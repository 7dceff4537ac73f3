/** A registry that is killed while many upload: what it has acknowledged is there and whole, and nothing else is. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { succeeded } from './admin.ts';
import { makeBundle, sha256, TestRegistry } from './registry.ts';
import { withCluster } from './use-cluster.ts';

const ROUNDS = Number(process.env.ISLA_CRASH_ROUNDS ?? 3);
const CLIENTS = 20;
const UPLOADS_EACH = 10;

interface Sent {
  acknowledged: Set<string>;
  /** Everything that may be there. */
  sent: Map<string, Buffer>;
}

test(`of 200 uploads by 20 clients those are there that were acknowledged before a SIGKILL, ${ROUNDS} times`, {
  timeout: 60_000 + ROUNDS * 30_000,
}, async () => {
  await withCluster({ running: false }, async (cluster) => {
    const sent: Sent = { acknowledged: new Set(), sent: new Map() };
    let registry = await TestRegistry.start(cluster);
    const counts: number[] = [];
    /** Read as they were sent in an earlier round; all are once more at the end. */
    const checkedBefore = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const before = sent.acknowledged.size;
      const killAfter = before + 1 + Math.floor(Math.random() * CLIENTS * UPLOADS_EACH * 0.9);
      const pid = registry.pid();
      await uploadMany(registry, sent, () => {
        if (sent.acknowledged.size === killAfter) process.kill(pid, 'SIGKILL');
      });
      counts.push(sent.acknowledged.size - before);
      registry = await TestRegistry.start(cluster);
      await checkAll(registry, sent, checkedBefore);
      const checked = succeeded(await cluster.admin('registry', 'fsck', '--json'), 'admin registry fsck');
      expect(JSON.parse(checked.stdout)).toMatchObject({ damage: [] });
      expect(readdirSync(join(cluster.dir, 'registry-store', 'tmp'))).toEqual([]);
    }
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThan(ROUNDS * CLIENTS * UPLOADS_EACH);
    succeeded(await cluster.admin('registry', 'gc'), 'admin registry gc');
    const checked = succeeded(await cluster.admin('registry', 'fsck', '--json'), 'admin registry fsck');
    expect(JSON.parse(checked.stdout)).toMatchObject({ damage: [], orphans: [] });
    await checkAll(registry, sent, new Set());
  });
});

async function uploadMany(
  registry: TestRegistry,
  { acknowledged, sent }: Sent,
  onAcknowledged: () => void,
): Promise<void> {
  const client = async (name: string): Promise<void> => {
    for (let nth = 0; nth < UPLOADS_EACH; nth += 1) {
      const bundle = makeBundle(20_000 + Math.floor(Math.random() * 60_000));
      const version = sha256(bundle);
      sent.set(version, bundle);
      try {
        const { status } = await registry.send('PUT', `/registry/${name}.tar.gz`, bundle);
        if (status !== 200) throw new Error(`${status}`);
        acknowledged.add(version);
        onAcknowledged();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === undefined) throw error;
        return; // It has been killed.
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(`lambda-${index}`)));
}

async function checkAll(registry: TestRegistry, { acknowledged, sent }: Sent, checked: Set<string>): Promise<void> {
  const there = new Set<string>();
  const json = async (path: string) => JSON.parse((await registry.send('GET', path)).bytes.toString());
  const { lambdas } = (await json('/-/lambdas')) as { lambdas: { name: string; version: string; key: string }[] };
  for (const { name, version, key } of lambdas) {
    const { versions } = (await json(`/-/lambdas/${name}/versions`)) as { versions: { version: string }[] };
    for (const one of versions) {
      there.add(one.version);
      if (checked.has(one.version)) continue;
      const { bytes } = await registry.send('GET', `/-/lambdas/${name}/versions/${one.version}/bundle`);
      expect(bytes.equals(sent.get(one.version) ?? Buffer.alloc(0)), `${name} ${one.version}`).toBe(true);
      checked.add(one.version);
    }
    expect((await registry.send('GET', `/registry/${key}`)).bytes.equals(sent.get(version)!)).toBe(true);
  }
  expect([...acknowledged].filter((version) => !there.has(version))).toEqual([]);
}
