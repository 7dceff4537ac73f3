import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { prepareWorkerDirs } from '../../../src/cluster/worker-dirs.ts';
import { parseWorkerSettings } from '../../../src/config/parse.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const modeOf = (name: string) => statSync(join(dir, name)).mode & 0o777;
const prepare = () => prepareWorkerDirs(parseWorkerSettings({}, { name: 'worker.json', dir, rootDir: dir }));

test('a worker without a cluster gets its directories, of which sandboxes list the packages', () => {
  prepare();
  expect([modeOf('workers/default'), modeOf('base'), modeOf('registry')]).toEqual([0o700, 0o700, 0o700]);
  expect(modeOf('packages')).toBe(0o755);
});

test('a directory that is there keeps its mode', () => {
  mkdirSync(join(dir, 'packages'), { mode: 0o750 });
  prepare();
  expect(modeOf('packages')).toBe(0o750);
});
