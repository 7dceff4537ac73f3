import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markerOf } from '../../src/sandbox/sock/reclaim.ts';
import { groupsOf, spawnerOf } from './cgroup-view.ts';
import { ask, type Bench, resultOf, startBench } from './engine-fixture.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';

describe('the counts of an engine', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startBench({ poolSize: 2 });
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
  });
  afterEach(() => bench.close());

  it('tell what waits, what was handed over and what it was made from', async () => {
    expect(bench.engine.stats()).toEqual({
      poolWaiting: 2,
      poolTarget: 2,
      handedOverFromPool: 0,
      handedOverEmpty: 0,
      zygotes: 1,
      forks: 2,
      zygotesRenewed: 0,
    });
    const sandboxes = await Promise.all(Array.from({ length: 3 }, () => bench.sandbox(HELLO)));
    for (const sandbox of sandboxes) expect(await resultOf(sandbox)).toBe('hello');
    expect(bench.engine.stats()).toMatchObject({ handedOverFromPool: 2, handedOverEmpty: 1 });
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    expect(bench.engine.stats().forks).toBe(5);
  });
});

describe('a zygote that has forked enough', () => {
  const FORKS_MAX = 5;
  let bench: Bench;
  let marker: string;
  beforeEach(async () => {
    bench = await startBench({ poolSize: 2, zygoteForksMax: FORKS_MAX });
    marker = markerOf(bench.dir);
  });
  afterEach(async () => {
    await bench.close();
    expect(groupsOf(marker)).toEqual([]);
  });

  it('is followed by a fresh one, and lives on until its last sandbox has gone', async () => {
    const first = await bench.sandbox(LAYOUT);
    const before = await resultOf(first);
    for (let n = 0; bench.engine.stats().zygotesRenewed < 2; n += 1) {
      expect(n).toBeLessThan(100);
      const passing = await bench.sandbox(HELLO);
      expect(await resultOf(passing)).toBe('hello');
      await passing.destroy();
    }
    const late = await bench.sandbox(LAYOUT);
    expect(await resultOf(late)).not.toEqual(before);
    expect(zygoteGroups(marker)).toContain('zygote-0');
    expect(await resultOf(first)).toEqual(before);
    await first.destroy();
    await expect.poll(() => zygoteGroups(marker)).not.toContain('zygote-0');
  });

  it('costs no call while 500 cold starts run, and leaves no process, group or descriptor', async () => {
    const spawner = spawnerOf(marker);
    const descriptors = () => readdirSync(`/proc/${spawner}/fd`).length;
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    const before = descriptors();
    let left = 500;
    const client = async () => {
      for (; left > 0; left -= 1) {
        const sandbox = await bench.sandbox(HELLO);
        expect(await resultOf(sandbox)).toBe('hello');
        // Some live on for a while, across the ends of their zygotes.
        if (left % 3 === 0) await Promise.all([ask(sandbox), bench.engine.memory()]);
        await sandbox.destroy();
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect(bench.logged).toEqual([]);
    expect(bench.engine.stats().zygotesRenewed).toBeGreaterThan(10);
    // What waits now may be of a retired zygote, which lives as long as it does.
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    await expect.poll(() => zygoteGroups(marker).length).toBe(bench.engine.stats().zygotes);
    expect(bench.engine.stats().zygotes).toBeLessThanOrEqual(3);
    const extra = 2 * (bench.engine.stats().zygotes - 1); // a socket and a descriptor of the process each
    await expect.poll(descriptors).toBe(before + extra);
  }, 120_000);
});

/** Addresses of an object of the interpreter's start and of a library, and what depends on the hash seed. */
const LAYOUT =
  'import ctypes\ndef handler(e):\n    libc = ctypes.CDLL(None)\n' +
  '    return [id(object), ctypes.cast(libc.getpid, ctypes.c_void_p).value, hash("seed")]\n';

function zygoteGroups(marker: string): string[] {
  return groupsOf(marker).filter((name) => name.startsWith('zygote-'));
}
