import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSourceTree } from './source-tree.ts';

const SRC = resolve(import.meta.dirname, '../../src');

/** Names under which the cargo of src/runtime/ stands inside a sandbox. */
const OWN_PACKAGES = ['isla_runtime', 'isla_kernel'];
/** `context.log` is the handler speaking. */
const MAY_PRINT = ['runtime/python/context.py'];

interface Facts {
  stdlib: string[];
  files: Record<string, { imports: string[]; bare_prints: number[]; missing: string[] }>;
}

function factsOf(paths: readonly string[]): Facts {
  const script = resolve(import.meta.dirname, 'python-facts.py');
  return JSON.parse(execFileSync('python3', ['-I', script], { input: paths.join('\n'), encoding: 'utf8' }));
}

describe('the Python side', () => {
  const paths = readSourceTree(SRC)
    .map((file) => file.path)
    .filter((path) => path.endsWith('.py'));
  const { stdlib, files } = factsOf(paths.map((path) => join(SRC, path)));

  test('exists', () => {
    expect(paths.length).toBeGreaterThan(0);
  });

  // Python before 3.10 cannot name its own standard library.
  test.skipIf(stdlib.length === 0)('imports the standard library and its own files only', () => {
    const known = new Set([...stdlib, ...OWN_PACKAGES, ...paths.map((path) => basename(path, '.py'))]);
    const strange = paths.flatMap((path) =>
      (files[join(SRC, path)]?.imports ?? [])
        .filter((name) => !known.has(name))
        .map((name) => `${path} imports ${name}`),
    );
    expect(strange).toEqual([]);
  });

  test('takes nothing from a file of its own that is not there', () => {
    const missing = paths.flatMap((path) => (files[join(SRC, path)]?.missing ?? []).map((what) => `${path}:${what}`));
    expect(missing).toEqual([]);
  });

  test('never prints to stdout, which belongs to the handler', () => {
    const printing = paths.filter((path) => files[join(SRC, path)]?.bare_prints.length);
    expect(printing.filter((path) => !MAY_PRINT.includes(path))).toEqual([]);
  });
});

test('imports, bare prints and what is not there are recognised', () => {
  const dir = mkdtempSync(join(tmpdir(), 'isla-arch-'));
  try {
    const [path, beside] = [join(dir, 'a.py'), join(dir, 'b.py')];
    const names = 'if True:\n    def one(): inner = 1\nelse:\n    two, (three, *_) = 1, (2, 3)\n';
    writeFileSync(beside, `import json\n${names}from . import a\na.y; a.gone\nfor a2 in (): pass\n`);
    writeFileSync(
      path,
      'import os, yaml as y\nfrom numpy.linalg import x\nfrom . import z\nprint(1)\nprint(2, file=y)\n' +
        'from . import b\nfrom .b import one, two, three, json, inner\nb.one, b.three, b.a2, b.inner, b.four\n',
    );
    const { files } = factsOf([path, beside]);
    expect(files[path]).toEqual({
      imports: ['numpy', 'os', 'yaml'],
      bare_prints: [4],
      missing: ['7: inner', '8: b.inner', '8: b.four'],
    });
    expect(files[beside]?.missing).toEqual(['7: a.gone']);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
