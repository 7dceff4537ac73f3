import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exitCodeOf } from '../../../src/cli/exit-codes.ts';
import { readWorkerConfig } from '../../../src/cluster/config-file.ts';
import { Failure } from '../../../src/config/failure.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test("a worker's own file has its relative paths start at its directory", () => {
  writeFileSync(join(dir, 'worker.json'), '{"registry_dir": "code"}');
  expect(readWorkerConfig(join(dir, 'worker.json')).registry_dir).toBe(join(dir, 'code'));
});

test.each([
  ['that is not there', 'nope.json', 3],
  ['that is a directory', '.', 2],
])('a file %s is said, with its exit code', (_name, name, exitCode) => {
  try {
    readWorkerConfig(join(dir, name));
    expect.fail('it was read');
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect(exitCodeOf((error as Failure).code)).toBe(exitCode);
    expect((error as Failure).message).toContain(join(dir, name));
  }
});
