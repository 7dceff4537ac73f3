import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { firstCycle, roomCycle, violations } from './laws.ts';
import { ONE_ROOM, ROOMS } from './rooms.ts';
import { importsOf, readSourceTree } from './source-tree.ts';

const SRC = resolve(import.meta.dirname, '../../src');

describe('the sources', () => {
  const files = readSourceTree(SRC);

  test('obey every law of the house', () => {
    expect(violations(files)).toEqual([]);
  });

  test('are really read: the seams between rooms are among the imports found', () => {
    const paths = files.map((file) => file.path);
    expect(paths).toEqual(expect.arrayContaining(['main.ts', 'config/settings.ts', 'sandbox/sandbox.ts']));
    expect(files.flatMap(importsOf).filter((one) => one.specifier?.startsWith('.')).length).toBeGreaterThan(20);
  });
});

test('the table itself has no circle', () => {
  const parts = new Set(ONE_ROOM.flat());
  const edges = new Map(
    Object.entries(ROOMS).map(([room, allowed]) => [
      room,
      allowed.map(roomName).filter((to) => to !== room && !(parts.has(room) && parts.has(to))),
    ]),
  );
  expect(firstCycle(edges)).toEqual([]);
});

function roomName(allowed: string): string {
  return allowed in ROOMS ? allowed : (allowed.split('/')[0] as string);
}

/** Each law is broken once; a law that no longer notices is a law no longer. */
describe('a violation is found:', () => {
  const cases: [name: string, files: Record<string, string>, complaint: RegExp][] = [
    [
      'an import against the table',
      { 'worker/a.ts': "import '../cluster/b.ts';" },
      /worker\/a\.ts:1 imports cluster\/b/,
    ],
    ['a type-only import', { 'http/a.ts': "import type { X } from '../worker/x.ts';" }, /imports worker\/x\.ts/],
    ['an import type', { 'lib/a.ts': "let x: import('../config/settings.ts').X;" }, /lib may import nothing/],
    ['a re-export', { 'lib/a.ts': "export * from '../http/x.ts';" }, /imports http\/x\.ts/],
    ['a lazy import', { 'lib/a.ts': "export const f = () => import('../http/x.ts');" }, /imports http\/x\.ts/],
    ['a require', { 'lib/a.ts': "require('../http/x.ts');" }, /imports http\/x\.ts/],
    ['a computed import', { 'lib/a.ts': 'export const f = (x: string) => import(x);' }, /name is computed/],
    ['a file beside the allowed one', { 'worker/a.ts': "import '../registry/local.ts';" }, /imports registry\/local/],
    ['an engine outside compose', { 'worker/a.ts': "import '../sandbox/sock/engine.ts';" }, /only compose may import/],
    ['an engine inside its parent', { 'sandbox/a.ts': "import './docker/engine.ts';" }, /only compose may import/],
    ['compose in the cli outside its commands', { 'cli/a.ts': "import '../compose/w.ts';" }, /only cli\/commands/],
    ['a way out of src', { 'lib/a.ts': "import '../../bench/x.ts';" }, /leaves src/],
    ['an eager heavy package', { 'sandbox/docker/a.ts': "import D from 'dockerode';" }, /dockerode eagerly/],
    [
      'a heavy package in the wrong room',
      { 'worker/a.ts': "await import('better-sqlite3');" },
      /only store may know it/,
    ],
    ['a new room that nobody planned', { 'attic/a.ts': '' }, /attic\/a\.ts lies in no room/],
    ['a file at the top', { 'stray.ts': '' }, /stray\.ts lies in no room/],
    ['a heap', { 'worker/utils.ts': '' }, /named for what it owns/],
    ['a barrel', { 'worker/index.ts': '' }, /named for what it owns/],
    ['a long file', { 'lib/a.ts': '\n'.repeat(301) }, /has 301 lines/],
    ['an empty tree', {}, /nothing to judge/],
  ];

  test.each(cases)('%s', (_name, files, complaint) => {
    const found = violations(Object.entries(files).map(([path, text]) => ({ path, text })));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(complaint);
  });

  test('a circle of rooms, named in full', () => {
    const imports = [
      { path: 'packages/a.ts', text: "import '../registry/b.ts';" },
      { path: 'registry/b.ts', text: "import '../packages/requirements.ts';" },
    ].flatMap(importsOf);
    expect(roomCycle(imports)).toEqual(['packages -> registry -> packages']);
  });

  test('but not where the table allows it', () => {
    const files = {
      'compose/w.ts': "import '../sandbox/sock/engine.ts'; import '../worker/worker.ts';",
      'cli/commands/new.ts': "import '../../compose/w.ts'; import '../terminal.ts';",
      'cli/program.ts': "export const load = () => import('./commands/new.ts');",
      'worker/a.ts': "import type { CodeSource } from '../registry/source.ts'; import './b.ts';",
      'sandbox/docker/engine.ts': "import type D from 'dockerode'; export const load = () => import('dockerode');",
    };
    expect(violations(Object.entries(files).map(([path, text]) => ({ path, text })))).toEqual([]);
  });
});
