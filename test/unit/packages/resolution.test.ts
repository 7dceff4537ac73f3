import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  readResolution,
  readSourceName,
  readWheelName,
  setDigest,
  writeResolution,
} from '../../../src/packages/resolution.ts';
import { scratchDir } from '../scratch-dir.ts';

const dir = mkdtempSync(join(scratchDir(), 'isla-resolution-'));
afterAll(() => rmSync(dir, { recursive: true }));

const NUMPY = {
  name: 'numpy',
  version: '1.26.4',
  sha256: 'a'.repeat(64),
  file: 'numpy-1.26.4-cp311-cp311-linux_x86_64.whl',
};
const SIX = { name: 'six', version: '1.16.0', sha256: 'b'.repeat(64), file: 'six-1.16.0-py2.py3-none-any.whl' };

test.each([
  ['numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl', { name: 'numpy', version: '1.26.4' }],
  ['torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl', { name: 'torch', version: '2.13.0+cpu' }],
  ['Zope.Interface_x-1!2.0-1-py3-none-any.whl', { name: 'zope-interface-x', version: '1!2.0' }],
  ['numpy-1.26.4.tar.gz', undefined],
  ['../x-1-py3-none-any.whl', undefined],
  ['a-b-1-py3-none-any.whl', undefined],
])('the name of a wheel says what it is: %s', (file, wheel) => {
  expect(readWheelName(file)).toEqual(wheel);
});

test.each([
  ['numpy-1.26.4.tar.gz', 'numpy'],
  ['zope.interface-5.0-beta.zip', 'zope-interface'],
  ['numpy-1.26.4.whl', undefined],
  ['../x-1.0.tar.gz', undefined],
  ['x/../../y-1.0.zip', undefined],
  ['-1.0.tar.gz', undefined],
])('so does that of a source distribution: %s', (file, name) => {
  expect(readSourceName(file)?.name).toBe(name);
});

test('a set is what is in it, whichever came first', () => {
  expect(setDigest([NUMPY, SIX])).toBe(setDigest([SIX, NUMPY]));
  expect(setDigest([NUMPY])).not.toBe(setDigest([NUMPY, SIX]));
  expect(setDigest([{ ...NUMPY, sha256: 'c'.repeat(64) }])).not.toBe(setDigest([NUMPY]));
});

test('a resolution is read as it was written, and a damaged one is refused by name', () => {
  const path = join(dir, 'x.json');
  expect(readResolution(path)).toBeUndefined();
  const resolution = { requirements: ['numpy'], interpreter: 'k', members: [NUMPY, SIX], resolvedAt: 'now', pip: '23' };
  writeResolution(path, resolution);
  expect(readResolution(path)).toEqual(resolution);
  for (const text of ['{', '[]', JSON.stringify({ ...resolution, members: [{ ...NUMPY, sha256: '../..' }] })]) {
    writeFileSync(path, text);
    expect(() => readResolution(path)).toThrow(/x\.json is damaged; remove it/);
  }
});
