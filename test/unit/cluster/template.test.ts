import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readTemplate } from '../../../src/cluster/config-file.ts';
import { createCluster } from '../../../src/cluster/create.ts';
import type { Layout } from '../../../src/cluster/layout.ts';
import { changeTemplate } from '../../../src/cluster/template.ts';
import { Failure } from '../../../src/config/failure.ts';

let dir: string;
let layout: Layout;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
  layout = createCluster(join(dir, 'my c')).layout;
});
afterEach(() => rmSync(dir, { recursive: true }));

test('a relative path that is set starts at the cluster, as the default does', () => {
  expect(changeTemplate(layout.template, '{"registry_dir": "registry"}')).toEqual({ changes: [], missing: [] });
});

test('a directory that is set and does not exist is said', () => {
  const path = join(layout.root, 'code');
  const { changes, missing } = changeTemplate(layout.template, '{"registry_dir": "code", "base": "host"}');
  expect(changes).toEqual([{ key: 'registry_dir', old: layout.registryDir, new: path }]);
  expect(missing).toEqual([{ key: 'registry_dir', path }]);
});

test('a relative path that somebody wrote into the template starts at the cluster', () => {
  writeFileSync(layout.template, '{"registry_dir": "code"}');
  expect(readTemplate(layout.template).registry_dir).toBe(join(layout.root, 'code'));
});

test('a template that is no JSON is answered with the place and with what mends it', () => {
  writeFileSync(layout.template, '{\n  "pool_size": 4,\n}\n');
  let failure: unknown;
  try {
    changeTemplate(layout.template, '{"pool_size": 8}');
  } catch (error) {
    failure = error;
  }
  expect(failure).toBeInstanceOf(Failure);
  const { code, message, problems } = failure as Failure;
  expect(code).toBe('config-invalid');
  expect(message).toBe(`${layout.template} is not JSON: "}" can not stand at line 3, column 1`);
  const mend = /echo .*/.exec(problems[0] ?? '')?.[0] ?? '';
  execFileSync('sh', ['-c', mend]);
  changeTemplate(layout.template, '{"pool_size": 8}');
  expect(readTemplate(layout.template)).toMatchObject({ pool_size: 8, registry_dir: layout.registryDir });
});
