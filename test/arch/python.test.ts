import { execFileSync } from 'node:child_process';
import { basename, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSourceTree, type SourceFile } from './source-tree.ts';

const SRC = resolve(import.meta.dirname, '../../src');
const STDLIB = 'import sys; print("\\n".join(getattr(sys, "stdlib_module_names", ())))';

describe('the Python side', () => {
  const files = readSourceTree(SRC).filter((file) => file.path.endsWith('.py'));
  const stdlib = new Set(execFileSync('python3', ['-I', '-c', STDLIB], { encoding: 'utf8' }).split('\n'));

  test('exists', () => {
    expect(files.length).toBeGreaterThan(0);
  });

  // Python before 3.10 cannot name its own standard library.
  test.skipIf(stdlib.size < 100)('imports the standard library and its own files only', () => {
    const own = new Set(files.map((file) => basename(file.path, '.py')));
    const strange = files.flatMap((file) =>
      importedModules(file.text)
        .filter((name) => !stdlib.has(name) && !own.has(name))
        .map((name) => `${file.path} imports ${name}`),
    );
    expect(strange).toEqual([]);
  });

  test('never prints: stdout belongs to the handler', () => {
    expect(files.filter(prints).map((file) => file.path)).toEqual([]);
  });
});

test('imports and prints are recognised', () => {
  expect(importedModules('import os, json as j\nfrom numpy.linalg import x\n  import yaml\nfrom . import y')).toEqual([
    'os',
    'json',
    'numpy',
    'yaml',
  ]);
  expect(prints({ path: 'a.py', text: 'x = 1\n    print("no")\n' })).toBe(true);
  expect(prints({ path: 'a.py', text: '# print(x)\nfootprint(1)\n' })).toBe(false);
});

function importedModules(text: string): string[] {
  const names: string[] = [];
  for (const [, list, from] of text.matchAll(/^[ \t]*(?:import ([\w., \t]+)|from (\w[\w.]*) import )/gm)) {
    for (const item of (list ?? from ?? '').split(',')) names.push((item.trim().split(/[ .]/)[0] as string) || item);
  }
  return names;
}

function prints(file: SourceFile): boolean {
  return /^(?!\s*#).*(?<![\w.])print\(/m.test(file.text);
}
