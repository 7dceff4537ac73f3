/** Pages that forks of a zygote copy when their code first runs are copied before the next ones have any. */
import { mkdtempSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PackageSet, Zygote } from '../../src/sandbox/sandbox.ts';
import { PATIENCE } from '../e2e/patience.ts';
import { type Bench, PROBE, resultOf, startBench } from './engine-fixture.ts';
import { PackageSets } from './package-set.ts';

/** MADV_POPULATE_WRITE came with 5.14. */
const [major = 0, minor = 0] = release().split('.').map(Number);
const isOld = major < 5 || (major === 5 && minor < 14);
const TIMEOUT = { timeout: 120_000 * PATIENCE };
/** Each try makes a sandbox that lives on. */
const POLL = { ...TIMEOUT, interval: 250 };
const PAGES = 256;

/** What many pages hold, and what writes to as many of them as it is told. */
const LARGE = `DATA = bytearray(b"x") * (4096 * 2048)
def touch(pages):
    for page in range(pages):
        DATA[page * 4096] += 1
    return DATA[0], DATA[4096 * 1024], len(DATA)
`;
const touching = (pages: number) => `
import large, resource
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
told = large.touch(${pages})
r = [list(told), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]
`;

describe.skipIf(isOld)('a zygote (skipped where Linux is older than 5.14)', () => {
  let top: string;
  let bench: Bench;
  let packages: PackageSet;
  let zygote: Zygote;
  beforeEach(async () => {
    top = mkdtempSync(join(tmpdir(), 'isla-packages-'));
    packages = new PackageSets(top).make({ large: { large: LARGE } });
    bench = await startBench({ poolSize: 1 });
    const grown = await bench.engine.grow({ parent: undefined, packages, modules: ['large'], memoryMb: 128 });
    if ('cause' in grown) throw new Error(JSON.stringify(grown));
    zygote = grown;
  });
  afterEach(async () => {
    await bench.close();
    rmSync(top, { recursive: true });
  });

  /** How many pages were copied while it ran; the sandboxes live on, so that they can be looked at. */
  async function copiedBy(event: string): Promise<number> {
    const sandbox = await bench.sandbox(PROBE, 'probe', { packages, from: zygote });
    const [told, copied] = (await resultOf(sandbox, event)) as [number[], number];
    expect(told).toEqual([121, 120, 4096 * 2048]);
    return copied;
  }

  it('has its forks copy what those before have copied, before they have any code', TIMEOUT, async () => {
    expect(await copiedBy(touching(PAGES))).toBeGreaterThan(PAGES - 16);
    expect(await copiedBy(touching(PAGES))).toBeGreaterThan(PAGES - 16);
    await expect.poll(() => copiedBy(touching(PAGES)), POLL).toBeLessThan(PAGES / 4);
  });

  it('has them copy only what all of those have', TIMEOUT, async () => {
    expect(await copiedBy(touching(PAGES))).toBeGreaterThan(PAGES - 16);
    expect(await copiedBy(touching(PAGES / 2))).toBeGreaterThan(PAGES / 2 - 16);
    await expect.poll(() => copiedBy(touching(PAGES / 2)), POLL).toBeLessThan(PAGES / 8);
    expect(await copiedBy(touching(PAGES))).toBeGreaterThan(PAGES / 2 - 16);
  });
});
