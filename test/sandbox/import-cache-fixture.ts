/** An import cache on the real engine, with packages written for the purpose. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ImportCache } from '../../src/import-cache/import-cache.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { groupsOf } from './cgroup-view.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { PackageSets } from './package-set.ts';

const MB = 1 << 20;

export interface CacheBench {
  sets: PackageSets;
  bench: Bench;
  cache: ImportCache;
  /** Fails if a control group is left. */
  close(): Promise<void>;
}

export interface CacheLimits {
  forksMax?: number;
  zygotesMax?: number;
  bytesMax?: number;
}

export async function openCache({
  forksMax = 1_000,
  zygotesMax = 8,
  bytesMax = 512 * MB,
}: CacheLimits = {}): Promise<CacheBench> {
  const top = mkdtempSync(join(tmpdir(), 'isla-packages-'));
  const sets = new PackageSets(top);
  const bench = await startBench({ zygoteForksMax: forksMax });
  const cache = new ImportCache({
    engine: bench.engine,
    subset: (set, members) => sets.subset(set, members),
    zygotesMax,
    bytesMax,
    log: (_level, message, facts) => bench.logged.push(`${message} ${JSON.stringify(facts)}`),
  });
  const close = async () => {
    const marker = markerOf(bench.dir);
    await cache.close();
    await bench.close();
    rmSync(top, { recursive: true });
    expect(groupsOf(marker)).toEqual([]);
  };
  return { sets, bench, cache, close };
}
