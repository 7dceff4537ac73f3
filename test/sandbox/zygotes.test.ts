import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
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
    const uncounted = () => zygoteGroups(marker).length - bench.engine.stats().zygotes;
    await expect.poll(uncounted).toBe(0);
    expect(bench.engine.stats().zygotes).toBeLessThanOrEqual(3);
    // A socket and a descriptor of the process each; one more may just be starting.
    await expect.poll(() => descriptors() - before - 2 * (zygoteGroups(marker).length - 1)).toBe(0);
  }, 120_000);
});

describe('the generators of two instances', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startBench({ poolSize: 2 });
  });
  afterEach(() => bench.close());

  it.each([true, false])('draw different numbers and names (zygote: %s)', async (zygote) => {
    const sandboxes = [await bench.sandbox(DRAWS, 'a', { zygote }), await bench.sandbox(DRAWS, 'b', { zygote })];
    const [one, other] = (await Promise.all(sandboxes.map((each) => resultOf(each)))) as [Draws, Draws];
    expect(Object.keys(one)).toEqual(['random', 'uuid4', 'uuid1', 'secrets', 'tempfile', 'ssl']);
    for (const kind of Object.keys(one)) expect(other[kind], kind).not.toBe(one[kind]);
  });

  it('share addresses and hash seed if they are forks of one zygote', async () => {
    const [one, other] = [await bench.sandbox(LAYOUT), await bench.sandbox(LAYOUT)];
    expect(await resultOf(one)).toEqual(await resultOf(other));
  });

  it('share neither with anybody if their lambda wants no zygote, and cost the pool nothing', async () => {
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    const before = bench.engine.stats();
    const [one, other] = [
      await bench.sandbox(LAYOUT, 'a', { zygote: false }),
      await bench.sandbox(LAYOUT, 'b', { zygote: false }),
    ];
    expect(bench.engine.stats()).toEqual({ ...before, forks: before.forks + 2 });
    const values = await Promise.all([one, other, await bench.sandbox(LAYOUT)].map((each) => resultOf(each)));
    for (const index of [0, 1, 2]) expect(new Set((values as unknown[][]).map((value) => value[index])).size).toBe(3);
    expect(bench.logged).toEqual([]);
  });
});

type Draws = Record<string, string>;

const DRAWS =
  'import random, secrets, ssl, tempfile, uuid\ndef handler(e):\n    return {"random": str(random.random()),\n' +
  '        "uuid4": str(uuid.uuid4()), "uuid1": str(uuid.uuid1()), "secrets": secrets.token_hex(),\n' +
  '        "tempfile": tempfile.mktemp(), "ssl": ssl.RAND_bytes(8).hex()}\n';

/** Addresses of an object on the heap and of a library (the interpreter's own are fixed on Debian), and what depends on the hash seed. */
const LAYOUT =
  'import ctypes, json\ndef handler(e):\n    libc = ctypes.CDLL(None)\n' +
  '    return [id(json), ctypes.cast(libc.getpid, ctypes.c_void_p).value, hash("seed")]\n';

function zygoteGroups(marker: string): string[] {
  return groupsOf(marker).filter((name) => name.startsWith('zygote-'));
}
