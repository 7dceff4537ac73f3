import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCluster } from '../../../src/cluster/create.ts';
import { findCluster } from '../../../src/cluster/find.ts';
import { Failure } from '../../../src/config/failure.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function failureOf(act: () => unknown): Failure {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    return error as Failure;
  }
  return expect.fail('it was done');
}

test('the command that makes a missing parent can be pasted, blanks and all', () => {
  const { message } = failureOf(() => createCluster(join(dir, "cl i/it's/c")));
  execFileSync('sh', ['-c', /`(.*)`/.exec(message)?.[1] ?? 'false']);
  expect(existsSync(join(dir, "cl i/it's"))).toBe(true);
  createCluster(join(dir, "cl i/it's/c"));
});

test('the clusters of which one must be chosen can be pasted, blanks and all', () => {
  mkdirSync(join(dir, 'cl i'));
  createCluster(join(dir, 'cl i/a'));
  createCluster(join(dir, 'b'));
  const { problems } = failureOf(() => findCluster({ given: undefined, fromEnvironment: undefined, cwd: dir }));
  expect(problems).toEqual([`--cluster=${join(dir, 'b')}`, `--cluster='${join(dir, 'cl i/a')}'`]);
});
