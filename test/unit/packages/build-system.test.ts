import { expect, test } from 'vitest';
import { readBuildSystem, readRequires } from '../../../src/packages/build-system.ts';

test('sources that say nothing are built by setuptools, as pip has it', () => {
  const legacy = { requires: ['setuptools>=40.8.0'], backend: 'setuptools.build_meta:__legacy__', paths: [] };
  expect(readBuildSystem(null)).toEqual(legacy);
  expect(readBuildSystem('[tool.black]\nline-length = 100\n')).toEqual(legacy);
  expect(readBuildSystem('[build-system]\nrequires = ["Cython >= 3"]\n')).toEqual({
    ...legacy,
    requires: ['cython>=3'],
  });
});

test('what they say is taken', () => {
  const text =
    '[build-system]\nrequires = ["flit_core<4 ; python_version > \'3\'"]\nbuild-backend = "a.b:c.d"\nbackend-path = ["in/tree"]\n';
  expect(readBuildSystem(text)).toEqual({
    requires: ["flit-core<4 ; python_version > '3'"],
    backend: 'a.b:c.d',
    paths: ['in/tree'],
  });
});

test.each([
  ['[build-system', 'line 1 cannot be read'],
  ['build-system = 1', 'no table'],
  ['[build-system]\n', 'requires is no list'],
  ['[build-system]\nrequires = [1]\n', 'requires is no list'],
  ['[build-system]\nrequires = []\nbuild-backend = "a; import os"\n', 'names no module'],
  ['[build-system]\nrequires = []\nbuild-backend = "a"\nbackend-path = "."\n', 'backend-path is no list'],
  ['[build-system]\nrequires = ["-r /etc/passwd"]\n', '"-r /etc/passwd" to be built: options are not allowed'],
  ['[build-system]\nrequires = ["x @ file:///x.whl"]\n', 'an address instead of a version is not allowed'],
])('%j says nothing that can be built', (text, words) => {
  expect(() => readBuildSystem(text)).toThrow(words);
});

test('a text that is none of theirs is not shown', () => {
  expect(() => readBuildSystem('root:x:0:0')).toThrow(/^(?!.*root:x).*line 1 cannot be read$/);
});

test('what a backend asks for is judged alike', () => {
  expect(readRequires(['Wheel'])).toEqual(['wheel']);
  for (const said of [undefined, 'wheel', [1], ['../x'], ['--index-url=https://e.org']]) {
    expect(() => readRequires(said)).toThrow();
  }
});
