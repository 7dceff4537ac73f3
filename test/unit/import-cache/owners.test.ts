import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { memberName, readNames, readSet, wordOf } from '../../../src/import-cache/owners.ts';
import { ownerOf } from '../../../src/import-cache/profile.ts';
import { scratchDir } from '../scratch-dir.ts';

const made: string[] = [];
afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true });
});

function write(files: Record<string, string>): string {
  const dir = mkdtempSync(join(scratchDir(), 'isla-owners-'));
  made.push(dir);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

const PROTOBUF = 'protobuf==5@a';
const CLOUD = 'google-cloud-core==2@b';
const CFFI = 'cffi==1.17@c';

it('a set tells which member each module comes from, also where two share a name space', () => {
  const dir = write({
    'google/protobuf/__init__.py': '',
    'google/cloud/client.py': '',
    'cffi/__init__.py': '',
    '_cffi_backend.cpython-311-x86_64-linux-gnu.so': '',
    'protobuf-5.dist-info/RECORD': 'google/protobuf/__init__.py,,\nprotobuf-5.dist-info/RECORD,,\n../../bin/protoc,,\n',
    'google_cloud_core-2.dist-info/RECORD': 'google/cloud/client.py,sha256=x,3\n',
    'cffi-1.17.dist-info/RECORD': 'cffi/__init__.py,,\n_cffi_backend.cpython-311-x86_64-linux-gnu.so,,\n',
  });
  const { names, owners } = readSet({ dir, members: [CFFI, CLOUD, PROTOBUF] });
  expect(ownerOf(owners, 'google.protobuf.message')).toBe(PROTOBUF);
  expect(ownerOf(owners, 'google.cloud')).toBe(CLOUD);
  expect(ownerOf(owners, '_cffi_backend')).toBe(CFFI);
  expect(ownerOf(owners, 'json')).toBeUndefined();
  for (const name of ['google', 'google.cloud', 'google.protobuf', '_cffi_backend', 'google-cloud-core.dist-info']) {
    expect(names, name).toContain(name);
  }
  expect(names).not.toContain('cffi.__init__');
});

it('a set tells which modules come from several members', () => {
  const dir = write({
    'one-1.dist-info/RECORD': 'six.py,,\nshared/one.py,,\ndeep/a/b.py,,\none-1.dist-info/RECORD,,\n',
    'two-1.dist-info/RECORD': 'six.py,,\nshared/two.py,,\ndeep/a/b.py,,\ntwo-1.dist-info/RECORD,,\n',
  });
  expect(readSet({ dir, members: ['one==1@a', 'two==1@b'] }).contested).toEqual(new Set(['six', 'deep']));
});

it('names are compared as package indexes do', () => {
  expect(memberName('Ruamel.Yaml==1@x')).toBe('ruamel-yaml');
  expect(wordOf('Ruamel_yaml.dist-info')).toBe('ruamel-yaml.dist-info');
  expect(wordOf('ruamel.yaml')).toBe('ruamel.yaml');
  expect(readNames(write({ 'lambda_func.py': '', 'helpers/__init__.py': '' }))).toEqual(
    new Set(['lambda_func', 'helpers']),
  );
  expect(readNames('/nowhere')).toEqual(new Set());
});
