import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSourceTree } from './source-tree.ts';

const SRC = resolve(import.meta.dirname, '../../src');

/** Names under which the cargo of src/runtime/python stands inside a sandbox. */
const OWN_PACKAGES = ['isla_runtime'];
/** `context.log` is the handler speaking. */
const MAY_PRINT = ['runtime/python/context.py'];

interface Facts {
  stdlib: string[];
  files: Record<string, { imports: string[]; bare_prints: number[] }>;
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

  test('never prints to stdout, which belongs to the handler', () => {
    const printing = paths.filter((path) => files[join(SRC, path)]?.bare_prints.length);
    expect(printing.filter((path) => !MAY_PRINT.includes(path))).toEqual([]);
  });
});

test('imports and bare prints are recognised', () => {
  const dir = mkdtempSync(join(tmpdir(), 'isla-arch-'));
  try {
    const path = join(dir, 'a.py');
    writeFileSync(
      path,
      'import os, yaml as y\nfrom numpy.linalg import x\nfrom . import z\nprint(1)\nprint(2, file=y)\n',
    );
    expect(factsOf([path]).files[path]).toEqual({ imports: ['numpy', 'os', 'yaml'], bare_prints: [4] });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
