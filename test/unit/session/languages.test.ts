import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it, test } from 'vitest';
import { viewOfDirectory, viewOfHost } from '../../../src/session/base-view.ts';
import { LANGUAGES } from '../../../src/session/language-table.ts';
import { OfferedLanguages } from '../../../src/session/languages.ts';
import { scratchDir } from '../scratch-dir.ts';

let top: string;
beforeAll(() => {
  top = mkdtempSync(join(scratchDir(), 'isla-languages-'));
});
afterAll(() => rmSync(top, { recursive: true }));

/** A root file system with these files, and links where a goal is given. */
function baseWith(files: Readonly<Record<string, string | null>>): string {
  const root = mkdtempSync(join(top, 'base-'));
  for (const [path, goal] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (goal !== null) symlinkSync(goal, join(root, path));
    else {
      writeFileSync(join(root, path), '', { flag: 'wx' }); // never through a link
      chmodSync(join(root, path), 0o755);
    }
  }
  return root;
}

const offeredIn = (files: Readonly<Record<string, string | null>>) =>
  new OfferedLanguages(viewOfDirectory(baseWith(files)));
const ids = async (offered: OfferedLanguages) => (await offered.list()).map(({ id }) => id);

const EVERYTHING = {
  '/usr/bin/python3': null,
  '/usr/bin/bash': null,
  '/usr/bin/lua5.4': null,
  '/usr/bin/lua': '/usr/bin/lua5.4',
};

it.each([
  ['python', 'python'],
  ['python:3.6', 'python'],
  ['python:latest', 'python'],
  ['python3', 'python'],
  ['Python3.11', 'python'],
  ['lablup/python:3.6-ubuntu18.04', 'python'],
  ['index.docker.io/lablup/python:3.6@sha256:00', 'python'],
  ['lua', 'lua'],
  ['lua5', 'lua'],
  ['lua:5.1-alpine3.8', 'lua'],
  ['sh', 'bash'],
  ['cobol', undefined],
  ['', undefined],
  ['__proto__', undefined],
  // It is in the table, and not in the base.
  ['golang', undefined],
])('%s is %s', (name, id) => {
  expect(offeredIn(EVERYTHING).idOf(name)).toBe(id);
});

test('a language is offered if all of its tools are there, as a sandbox would find them', async () => {
  expect(await ids(offeredIn({}))).toEqual([]);
  expect(await ids(offeredIn({ '/usr/bin/gcc': 'x86_64-linux-gnu-gcc-12' }))).toEqual([]);
  const c = {
    '/usr/bin/gcc': 'cc-12',
    '/usr/bin/cc-12': null,
    '/usr/bin/as': null,
    '/usr/bin/ld': null,
    '/usr/include/stdio.h': null,
  };
  const offered = offeredIn(c);
  expect(await offered.list()).toEqual([{ id: 'c', version: '12', aliases: ['gcc'] }]);
  expect(offered.runnerFacts('c').query?.build[0]?.[0]).toBe('/usr/bin/gcc');
  expect(await ids(offeredIn({ ...c, '/usr/bin/ld': '/opt/gone' }))).toEqual([]);
});

test('what lies where no sandbox looks is not there', async () => {
  expect(await ids(offeredIn({ '/usr/bin/perl': '/root/perl', '/root/perl': null }))).toEqual([]);
  const etc = baseWith({ '/alternatives/php': '/usr/bin/true' });
  const view = viewOfHost(etc);
  expect(view.resolve('/etc/alternatives/php')).toMatchObject({ inside: expect.stringContaining('/bin/true') });
  expect(view.resolve('/root')).toBeUndefined();
  expect(view.resolve('/etc/passwd')).toBeUndefined();
});

test('Java is offered in its newest version that is whole', async () => {
  const jvm = (name: string) => ({ [`/usr/lib/jvm/${name}/bin/java`]: null, [`/usr/lib/jvm/${name}/bin/javac`]: null });
  const base = { ...jvm('java-8-openjdk'), ...jvm('java-17-openjdk'), ...jvm('java-21-openjdk') };
  expect(await ids(offeredIn(base))).toEqual([]);
  const whole = {
    ...base,
    '/usr/lib/jvm/java-8-openjdk/lib/jvm.cfg': null,
    '/usr/lib/jvm/java-17-openjdk/lib/jvm.cfg': null,
  };
  const offered = offeredIn(whole);
  expect(await offered.list()).toMatchObject([{ id: 'java', version: '17' }]);
  expect(offered.runnerFacts('java').query?.exec[0]).toBe('/usr/lib/jvm/java-17-openjdk/bin/java');
});

test('programs that buffer print at once where the base has what makes them', () => {
  const lua = { '/usr/bin/lua': null };
  expect(offeredIn(lua).runnerFacts('lua').env).toEqual({});
  const library = '/usr/libexec/coreutils/libstdbuf.so';
  expect(offeredIn({ ...lua, [library]: null }).runnerFacts('lua').query?.env).toMatchObject({ LD_PRELOAD: library });
});

test('no name stands for two languages, and no command is left with a tool that is not named', () => {
  const names = LANGUAGES.flatMap(({ id, aliases }) => [id, ...aliases]);
  expect(new Set(names).size).toBe(names.length);
  for (const { id, tools, query, batch } of LANGUAGES) {
    const known = new Set([...Object.keys(tools), 'dir', 'file', 'files', 'object', 'objects']);
    const used = JSON.stringify([query ?? null, batch]).matchAll(/\{([a-zA-Z+]+)\}/g);
    for (const [, name] of used) expect([id, known.has(name as string)]).toEqual([id, true]);
  }
});
