/** Zygotes with packages, as every kind of machine and user has them: with root or without, whatever control groups there are. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PackageSet, Zygote } from '../../src/sandbox/sandbox.ts';
import { PATIENCE } from '../e2e/patience.ts';
import { type Bench, PROBE, resultOf, startBench } from './engine-fixture.ts';
import { PackageSets } from './package-set.ts';

const TIMEOUT = { timeout: 60_000 * PATIENCE };
const BORN = 'import time\nBORN = time.monotonic_ns()\n';

/** What a handler finds of itself. */
const LOOK = `
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
r = {
    "pids": [name for name in os.listdir("/proc") if name.isdigit()],
    "rights": sorted({status[name].strip() for name in status if name.startswith("Cap")}),
    "filters": status["Seccomp"].strip(),
    "tmp": os.listdir("/tmp"),
    "own": sorted(os.listdir("/host")),
    "packages": sorted(name for name in os.listdir("/packages") if name.endswith(".py")),
}
open("/tmp/trace", "w").close()
`;

/** To be called where tests are declared. */
export function grownZygoteTests(): void {
  let top: string;
  let sets: PackageSets;
  let bench: Bench;
  beforeEach(async () => {
    top = mkdtempSync(join(tmpdir(), 'isla-packages-'));
    sets = new PackageSets(top);
    bench = await startBench();
  });
  afterEach(async () => {
    await bench.close();
    rmSync(top, { recursive: true });
  });

  async function grow(packages: PackageSet, modules: string[], parent?: Zygote): Promise<Zygote> {
    const outcome = await bench.engine.grow({ parent, packages, modules, memoryMb: 128 });
    if ('cause' in outcome) throw new Error(JSON.stringify(outcome));
    return outcome;
  }

  async function once(event: string, packages: PackageSet, from?: Zygote): Promise<unknown> {
    const sandbox = await bench.sandbox(PROBE, 'probe', { packages, ...(from && { from }) });
    const result = await resultOf(sandbox, event);
    await sandbox.destroy();
    return result;
  }

  it('import once for sandboxes that hold nothing and find nothing of each other, two deep', TIMEOUT, async () => {
    const one = sets.make({ below: { below: BORN } });
    const both = sets.make({ below: { below: BORN }, above: { above: BORN } });
    const root = await grow(one, ['below']);
    const leaf = await grow(both, ['above'], root);
    expect([...root.imports.tookUs.keys(), ...leaf.imports.tookUs.keys()]).toEqual(['below', 'above']);
    const born = 'import below, above\nr = [below.BORN, above.BORN]';
    const times = await once(born, both, leaf);
    expect(await once(born, both, leaf)).toEqual(times);
    expect(await once('import below\nr = [below.BORN]', one, root)).toEqual([(times as number[])[0]]);
    expect(await once(born, both)).not.toEqual(times);
    for (let sandbox = 0; sandbox < 3; sandbox += 1) {
      expect(await once(LOOK, both, leaf)).toEqual({
        pids: ['1'],
        rights: ['0000000000000000'],
        filters: '2',
        tmp: [],
        own: ['server_pipe', 'stderr', 'stdout'],
        packages: ['above.py', 'below.py'],
      });
    }
  });

  it('that take too much memory are no more, and nobody else notices', TIMEOUT, async () => {
    const packages = sets.make({ greedy: { greedy: 'X = bytearray(1 << 30)\n' } });
    const outcome = await bench.engine.grow({ parent: undefined, packages, modules: ['greedy'], memoryMb: 128 });
    expect(outcome).toMatchObject({ cause: 'failed', reason: expect.stringMatching(/out of memory|MemoryError/) });
    expect(await once('r = 1', packages)).toBe(1);
  });

  it('that leave a thread, a process or an open file are not used', TIMEOUT, async () => {
    const head = 'import os, threading, time\n';
    for (const [source, reason] of [
      ['threading.Thread(target=time.sleep, args=[99], name="ticker", daemon=True).start()', 'thread ticker'],
      ['if os.fork() == 0:\n    time.sleep(99)', 'process'],
      ['F = os.open("/usr", os.O_RDONLY)', 'file /usr'],
    ]) {
      const packages = sets.make({ bad: { bad: `${head}${source}\n` } });
      const outcome = await bench.engine.grow({ parent: undefined, packages, modules: ['bad'], memoryMb: 128 });
      expect(outcome).toMatchObject({
        cause: 'failed',
        module: 'bad',
        reason: expect.stringContaining(reason as string),
      });
    }
  });

  it('end when they are retired and nothing made from them is left, and leave nothing behind', TIMEOUT, async () => {
    const packages = sets.make({ below: { below: BORN } });
    const zygote = await grow(packages, ['below']);
    const sandbox = await bench.sandbox(PROBE, 'probe', { packages, from: zygote });
    expect(await resultOf(sandbox, 'import below\nr = 1')).toBe(1);
    zygote.retire();
    expect(await resultOf(sandbox, 'r = 2')).toBe(2);
    await sandbox.destroy();
    expect(await zygote.ended).toEqual({ cause: 'retired' });
    expect(readdirSync(join(bench.dir, 'import-cache'))).toEqual(['0']);
  });
}
