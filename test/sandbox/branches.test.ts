/** Zygotes with packages, made by other zygotes; packages written for the purpose. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PackageSet, Zygote, ZygoteEnding, ZygoteSpec } from '../../src/sandbox/sandbox.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { groupsOf, pidsIn } from './cgroup-view.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';

let top: string;
let bench: Bench;
beforeEach(async () => {
  top = mkdtempSync(join(tmpdir(), 'isla-packages-'));
  bench = await startBench();
});
afterEach(async () => {
  const marker = markerOf(bench.dir);
  await bench.close();
  expect(groupsOf(marker)).toEqual([]);
  rmSync(top, { recursive: true });
});

let made = 0;
/** Modules by name, each with its source. */
function set(modules: Record<string, string>): PackageSet {
  const dir = join(top, String(made++));
  mkdirSync(dir, { mode: 0o755 });
  for (const [name, source] of Object.entries(modules)) writeFileSync(join(dir, `${name}.py`), source, { mode: 0o644 });
  return { dir, members: Object.keys(modules).map((name) => `${name}==1@0`) };
}

async function grow(packages: PackageSet, modules: string[], more: Partial<ZygoteSpec> = {}): Promise<Zygote> {
  const outcome = await bench.engine.grow({ parent: undefined, packages, modules, memoryMb: 256, ...more });
  if ('cause' in outcome) throw new Error(JSON.stringify(outcome));
  return outcome;
}

async function failure(packages: PackageSet, modules: string[]): Promise<ZygoteEnding> {
  const outcome = await bench.engine.grow({ parent: undefined, packages, modules, memoryMb: 256 });
  if ('cause' in outcome) return outcome;
  throw new Error('it was grown');
}

const A = 'import time\nBORN = time.monotonic()\n';
const B = 'import a\nBORN = a.BORN\n';
const LOADED =
  'import sys\nhad = sorted(n for n in sys.modules if n in ("a", "b"))\ndef handler(e):\n    import a\n    return [had, a.BORN]\n';

it('has its modules loaded for the sandboxes made from it, and only for those', async () => {
  const packages = set({ a: A, b: B });
  const zygote = await grow(packages, ['a']);
  const first = (await resultOf(await bench.sandbox(LOADED, 'x', { packages, from: zygote }))) as [string[], number];
  const second = (await resultOf(await bench.sandbox(LOADED, 'y', { packages, from: zygote }))) as [string[], number];
  expect(first[0]).toEqual(['a']);
  expect(second).toEqual(first);
  const other = (await resultOf(await bench.sandbox(LOADED, 'z', { packages }))) as [string[], number];
  expect(other[0]).toEqual([]);
  expect(other[1]).not.toBe(first[1]);
});

it('makes zygotes that have more, and those hold what their own packages are', async () => {
  const [small, large] = [set({ a: A }), set({ a: A, b: B, c: '' })];
  const below = await grow(small, ['a']);
  const above = await grow(large, ['b'], { parent: below });
  const sandbox = await bench.sandbox(LOADED.replace('import a', 'import a, b, c'), 'x', {
    packages: large,
    from: above,
  });
  expect(((await resultOf(sandbox)) as unknown[])[0]).toEqual(['a', 'b']);
  expect([...above.imports.tookUs.keys()]).toEqual(['b']);
  expect(above.imports.units).toEqual(['a.py', 'b.py']);
});

it('tells what its modules looked for in vain and which variables they read', async () => {
  const source =
    'import os, importlib.metadata\ntry:\n    import faster\nexcept ImportError:\n    pass\nos.environ.get("A_MODE")\n' +
    'try:\n    importlib.metadata.version("extra")\nexcept importlib.metadata.PackageNotFoundError:\n    pass\n';
  const { imports } = await grow(set({ a: source }), ['a']);
  expect(imports.vain).toEqual(expect.arrayContaining(['faster', 'extra.dist-info']));
  expect(imports.environ).toEqual(['A_MODE']);
});

it('sees what a lambda has more than it, files and metadata', async () => {
  const zygote = await grow(set({ a: 'import importlib.metadata as m\nlist(m.distributions())\n' }), ['a']);
  const packages = set({ a: 'import importlib.metadata as m\n', more: 'FOUND = True\n' });
  const info = join(packages.dir, 'more-2.dist-info');
  mkdirSync(info);
  writeFileSync(join(info, 'METADATA'), 'Metadata-Version: 2.1\nName: more\nVersion: 2\n');
  const source = 'def handler(e):\n    import a, more\n    return [more.FOUND, a.m.version("more")]\n';
  expect(await resultOf(await bench.sandbox(source, 'x', { packages, from: zygote }))).toEqual([true, '2']);
});

it.each([
  ['raises', 'raise OSError("no such device")', /import a: OSError: no such device/, 'a'],
  ['exits', 'import sys\nsys.exit(3)', /import a: SystemExit: 3/, 'a'],
  [
    'leaves a thread',
    'import threading, time\nthreading.Thread(target=time.sleep, args=[99], name="ticker", daemon=True).start()',
    /leaves behind thread ticker/,
    'a',
  ],
  ['leaves a socket', 'import socket\nS = socket.socketpair()', /leaves behind socket/, 'a'],
  ['leaves a file', 'F = open("/tmp/x", "w")', /leaves behind file \/tmp\/x/, 'a'],
  ['crashes', 'import ctypes\nctypes.string_at(0)', /it died/, null],
  ['dies', 'import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nos._exit(1)', /it died/, null],
  ['takes more memory than it may', 'X = b"x" * (400 << 20)', /it ran out of memory: it may have \d+ MB/, null],
])('is not there if what it imports %s', async (_what, source, reason, module) => {
  const packages = set({ a: `${source}\n` });
  const ending = await failure(packages, ['a']);
  expect(ending).toMatchObject({ cause: 'failed', reason: expect.stringMatching(reason) });
  if (module !== null) expect(ending).toMatchObject({ module });
  const sandbox = await bench.sandbox('def handler(e):\n    return 1\n', 'x', { packages });
  expect(await resultOf(sandbox)).toBe(1);
  expect(readdirSync(join(bench.dir, 'import-cache'))).toEqual(['0']);
});

it('has a directory of its own, with what its modules print', async () => {
  await grow(set({ a: 'import sys\nprint("loading", file=sys.stderr, flush=True)\n' }), ['a']);
  const cache = join(bench.dir, 'import-cache');
  const [name] = readdirSync(cache).filter((each) => each !== '0');
  expect(readdirSync(join(cache, name as string)).sort()).toEqual(['stderr', 'stdout']);
});

it('that is retired makes no more, and ends with the last made from it or from what it made', async () => {
  const packages = set({ a: A, b: B });
  const below = await grow(packages, ['a']);
  const above = await grow(packages, ['b'], { parent: below });
  const sandbox = await bench.sandbox(LOADED, 'x', { packages, from: above });
  below.retire();
  above.retire();
  expect(((await resultOf(sandbox)) as unknown[])[0]).toEqual(['a', 'b']);
  const next = await bench.sandbox(LOADED, 'x', { packages, from: above });
  expect(((await resultOf(next)) as unknown[])[0]).toEqual([]);
  const ends = Promise.all([below.ended, above.ended]);
  await sandbox.destroy();
  expect(await ends).toEqual([{ cause: 'retired' }, { cause: 'retired' }]);
});

it('that dies takes those with it that were made from it, and no others', async () => {
  const packages = set({ a: A, b: B });
  const below = await grow(packages, ['a']);
  const above = await grow(packages, ['b'], { parent: below });
  const beside = await grow(packages, ['b']);
  const source = 'import sys\ndef handler(e):\n    return "b" in sys.modules\n';
  const [own, other] = [
    await bench.sandbox(source, 'x', { packages, from: above }),
    await bench.sandbox(source, 'y', { packages, from: beside }),
  ];
  expect(await resultOf(own)).toBe(true);
  process.kill(pidOf(below), 'SIGKILL');
  expect(await below.ended).toMatchObject({ cause: 'failed' });
  expect(await above.ended).toMatchObject({ cause: 'lost' });
  expect(await own.ended).toMatchObject({ cause: 'lost' });
  expect(await resultOf(other)).toBe(true);
  // Whoever meant to start from it starts all the same.
  expect(await resultOf(await bench.sandbox(source, 'x', { packages, from: above }))).toBe(false);
});

it('is measured', async () => {
  const zygote = await grow(set({ a: 'X = bytearray(b"x" * (20 << 20))\n' }), ['a']);
  const bytes = (await bench.engine.measure()).get(zygote) as number;
  // One that waits shares it, and counts for half of it.
  expect(bytes).toBeGreaterThan(10 << 20);
  expect(bytes).toBeLessThan(40 << 20);
});

function pidOf(zygote: Zygote): number {
  return pidsIn(markerOf(bench.dir), `zygote-${zygote.number}`)[0] as number;
}
