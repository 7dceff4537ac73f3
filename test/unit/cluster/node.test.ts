import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findNode } from '../../../src/cluster/node.ts';
import { scratchDir } from '../scratch-dir.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(scratchDir(), 'isla-node-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string): string {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), '');
  return join(root, path);
}

describe('the Node of lambdas', () => {
  const host = { kind: 'host', etcDir: '' } as const;

  test('is the worker’s own where sandboxes see it, and lent to them where not', () => {
    expect(findNode(host, '/usr/bin/env')).toEqual({ path: '/usr/bin/env', source: null });
    const own = put('own/node');
    symlinkSync(own, join(root, 'link'));
    expect(findNode(host, join(root, 'link'))).toEqual({ path: '/runtime/node', source: own });
  });

  test('is the base’s own if it has one, where its links lead inside it', () => {
    const own = put('own/node');
    const base = { kind: 'directory', path: join(root, 'base') } as const;
    mkdirSync(base.path);
    expect(findNode(base, own)).toEqual({ path: '/runtime/node', source: own });
    put('base/usr/bin/node');
    expect(findNode(base, own)).toEqual({ path: '/usr/bin/node', source: null });
    put('base/opt/node/bin/node');
    mkdirSync(join(base.path, 'usr/local/bin'), { recursive: true });
    symlinkSync('/opt/node/bin/node', join(base.path, 'usr/local/bin/node'));
    expect(findNode(base, own)).toEqual({ path: '/opt/node/bin/node', source: null });
  });
});
