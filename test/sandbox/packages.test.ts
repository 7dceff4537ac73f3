/** A set of packages, seen from inside the sandboxes that have it and from others. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PackageSet } from '../../src/sandbox/sandbox.ts';
import { ask, type Bench, PROBE, resultOf, startBench } from './engine-fixture.ts';

const top = mkdtempSync(join(tmpdir(), 'isla-packages-'));
let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(async () => {
  await bench.close();
  rmSync(top, { recursive: true });
});

/** Files below a directory of its own, by name. */
function set(name: string, files: Record<string, string>): PackageSet {
  const dir = join(top, name);
  mkdirSync(dir, { mode: 0o755 });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(dir, file, '..'), { recursive: true, mode: 0o755 });
    writeFileSync(join(dir, file), text, { mode: 0o644 });
  }
  return { dir, members: [`${name}==1@0`] };
}

const VERSION = 'import thing\ndef handler(e):\n    return [thing.VERSION, thing.__file__]\n';

it('is what a lambda imports from, two versions of a package side by side', async () => {
  const one = set('one', { 'thing.py': 'VERSION = 1\n' });
  const two = set('two', {
    'thing/__init__.py': 'from .version import VERSION\n',
    'thing/version.py': 'VERSION = 2\n',
  });
  const sandboxes = [
    await bench.sandbox(VERSION, 'a', { packages: one }),
    await bench.sandbox(VERSION, 'b', { packages: two }),
    await bench.sandbox(VERSION, 'c', { packages: two, zygote: false }),
  ];
  expect(await Promise.all(sandboxes.map((each) => resultOf(each)))).toEqual([
    [1, '/packages/thing.py'],
    [2, '/packages/thing/__init__.py'],
    [2, '/packages/thing/__init__.py'],
  ]);
});

it('is not there for a lambda that has none, nor are packages of the base', async () => {
  const sandbox = await bench.sandbox(PROBE);
  expect(await resultOf(sandbox, 'import os\nr = os.listdir("/packages")')).toEqual([]);
  const path = (await resultOf(sandbox, 'import sys\nr = sys.path')) as string[];
  expect(path[0]).toBe('/handler');
  expect(path.filter((entry) => /runtime|site-packages|dist-packages|^\/packages/.test(entry))).toEqual([]);
  expect(await resultOf(sandbox, 'import pip')).toMatch(/^ModuleNotFoundError/);
});

it('comes after the lambda itself and the standard library', async () => {
  const packages = set('shadows', { 'json.py': 'raise SystemError\n', 'lambda_func.py': 'raise SystemError\n' });
  const sandbox = await bench.sandbox(PROBE, 'probe', { packages });
  expect(await resultOf(sandbox, 'import json, lambda_func\nr = lambda_func.__file__')).toBe('/handler/lambda_func.py');
  const path = (await resultOf(sandbox, 'import sys\nr = sys.path')) as string[];
  expect(path.at(-1)).toBe('/packages');
});

it('cannot be written to', async () => {
  const packages = set('read-only', { 'thing.py': '' });
  const sandbox = await bench.sandbox(PROBE, 'probe', { packages });
  for (const source of [
    'open("/packages/x", "w")',
    'open("/packages/thing.py", "a")',
    'import os; os.unlink("/packages/thing.py")',
  ]) {
    expect(await resultOf(sandbox, source), source).toMatch(/^(PermissionError|OSError): (1|13|30)$/);
  }
  const mounts = (await resultOf(sandbox, 'r = open("/proc/self/mountinfo").read()')) as string;
  expect(mounts.split('\n').find((line) => line.split(' ')[4] === '/packages')).toMatch(
    / \/packages ro,nosuid,nodev\b/,
  );
});

it('that is missing ends the sandbox before its code runs', async () => {
  await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
  const packages = { dir: join(top, 'nowhere'), members: [] };
  const sandbox = await bench.sandbox(PROBE, 'probe', { packages });
  expect(await ask(sandbox, 'r = 1')).toMatchObject({
    kind: 'ended',
    ending: { cause: 'not-started', reason: expect.stringContaining('attach packages') },
  });
});
