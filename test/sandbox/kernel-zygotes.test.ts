/** Where sessions start from: zygotes of their own, so that no lambda pays for what kernels take. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, SandboxSpec } from '../../src/sandbox/sandbox.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import type { Kernel } from '../../src/session/kernel.ts';
import { groupsOf, pidsIn } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { run, startOn, type Wish } from './kernel-fixture.ts';
import { PackageSets } from './package-set.ts';

const LOADED =
  'import sys\ndef handler(e):\n    return [name for name in sys.modules if name.startswith("isla_kernel")]\n';
const BORN = 'import time\nBORN = time.monotonic_ns()\n';

let bench: Bench;
let kernels: Kernel[];
let top: string;
beforeEach(() => {
  kernels = [];
  top = mkdtempSync(join(tmpdir(), 'isla-packages-'));
});
afterEach(async () => {
  const marker = markerOf(bench.dir);
  await bench.close();
  expect(groupsOf(marker)).toEqual([]);
  rmSync(top, { recursive: true });
});

async function start(wish?: Wish): Promise<Kernel> {
  const kernel = await startOn(bench, wish);
  kernels.push(kernel);
  return kernel;
}

/** Of those that live: numbers, as their directories are called; 0 are the root's. */
function zygotes(): string[] {
  return readdirSync(join(bench.dir, 'import-cache')).sort();
}

/** Of zygotes: who has made a sandbox that is there. */
function parents(): string[] {
  const marker = markerOf(bench.dir);
  const groups = groupsOf(marker);
  const made = groups.filter((group) => /^\d+$/.test(group)).flatMap((group) => pidsIn(marker, group));
  const parentsOfMade = made.map((pid) =>
    Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  );
  const isParent = (group: string) => pidsIn(marker, group).some((pid) => parentsOfMade.includes(pid));
  return groups.filter((group) => group.startsWith('zygote-') && isParent(group)).sort();
}

describe('a session', () => {
  beforeEach(async () => {
    bench = await startBench({ poolSize: 1 });
  });

  it('starts from a zygote that lambdas do not start from, once one is expected', async () => {
    bench.engine.expectSessions?.();
    await expect.poll(zygotes).toHaveLength(2);
    const lambda = await bench.sandbox(LOADED);
    expect(await resultOf(lambda)).toEqual([]);
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    const kernel = await start();
    expect((await run(kernel, 'print(6 * 7)')).stdout).toBe('42\n');
    expect(await resultOf(lambda)).toEqual([]);
    expect(parents()).toHaveLength(2);
  });

  it('that comes before there is one starts all the same, and has one grown', async () => {
    expect(zygotes()).toEqual(['0']);
    const first = await start();
    expect((await run(first, 'print(1)')).stdout).toBe('1\n');
    await expect.poll(zygotes).toHaveLength(2);
    const second = await start();
    expect((await run(second, 'print(2)')).stdout).toBe('2\n');
  });

  it('with packages starts from the zygote that has imported them, which can be retired all the same', async () => {
    const packages = new PackageSets(top).make({ below: { below: BORN } });
    const zygote = await bench.engine.grow({ parent: undefined, packages, modules: ['below'], memoryMb: 128 });
    if ('cause' in zygote) throw new Error(JSON.stringify(zygote));
    const create = (spec: SandboxSpec) => bench.engine.create(spec, zygote);
    const engine = { create, memory: () => bench.engine.memory() } as Engine;
    const born = async () => (await run(await start({ packages, engine }), 'import below\nprint(below.BORN)')).stdout;
    const first = await born();
    await expect.poll(zygotes).toHaveLength(3);
    expect(await born()).toBe(first);
    expect(await born()).toBe(first);
    zygote.retire();
    for (const kernel of kernels) await kernel.destroy();
    expect(await zygote.ended).toEqual({ cause: 'retired' });
    await expect.poll(zygotes).toEqual(['0']);
  });

  it('whose zygote has died starts from the root, and has another one grown', async () => {
    bench.engine.expectSessions?.();
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    const [before] = zygotes().slice(1);
    const marker = markerOf(bench.dir);
    process.kill(pidsIn(marker, `zygote-${before}`)[0] as number, 'SIGKILL');
    // Who starts before the worker has heard of it has the end of one that waited there.
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(1);
    expect(zygotes()).not.toContain(before);
    expect((await run(await start(), 'print(3)')).stdout).toBe('3\n');
    await expect.poll(zygotes).toHaveLength(2);
  });
});

it('those of a root that was followed by another one are grown anew, and end with their last session', async () => {
  bench = await startBench({ poolSize: 1, zygoteForksMax: 6 });
  bench.engine.expectSessions?.();
  await expect.poll(zygotes).toHaveLength(2);
  const old = await start();
  const { zygotesRenewed } = bench.engine.stats();
  for (let n = 0; bench.engine.stats().zygotesRenewed === zygotesRenewed; n += 1) {
    expect(n).toBeLessThan(50);
    await (await bench.sandbox(LOADED)).destroy();
  }
  expect((await run(await start(), 'print(4)')).stdout).toBe('4\n');
  expect((await run(old, 'print(5)')).stdout).toBe('5\n');
  for (const kernel of kernels) await kernel.destroy();
  await expect.poll(zygotes).toHaveLength(2);
});
