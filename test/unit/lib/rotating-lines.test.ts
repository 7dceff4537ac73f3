import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NumberedFiles } from '../../../src/lib/numbered-files.ts';
import { RotatingLines } from '../../../src/lib/rotating-lines.ts';
import { scratchDir } from '../scratch-dir.ts';

let dir: string;
let troubles: ({ error: unknown } | { lost: number })[];

beforeEach(() => {
  dir = mkdtempSync(join(scratchDir(), 'isla-lines-'));
  troubles = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(options: Partial<{ fileBytesMax: number; filesMax: number; waitingBytesMax: number }> = {}) {
  return new RotatingLines({
    files: new NumberedFiles(dir, 'w', '.log'),
    fileBytesMax: 100,
    filesMax: 3,
    waitingBytesMax: 1000,
    onTrouble: (trouble) => troubles.push(trouble),
    ...options,
  });
}

const append = (lines: RotatingLines, ...texts: string[]) =>
  lines.append(texts.join('').length, (made) => made.push(...texts));
const read = (number: number) => readFileSync(join(dir, `w.${number}.log`), 'utf8');
const files = () => readdirSync(dir).sort((a, b) => Number(a.split('.')[1]) - Number(b.split('.')[1]));

test('lines are written in their order, without anybody asking', async () => {
  const lines = open();
  append(lines, 'a\n', 'b\n');
  append(lines, 'c\n');
  await expect.poll(() => existsSync(join(dir, 'w.1.log')) && read(1)).toBe('a\nb\nc\n');
  await lines.close();
});

test('closing writes what waits; whoever opens them again goes on in the same file', async () => {
  for (const text of ['a\n', 'b\n']) {
    const lines = open();
    append(lines, text);
    await lines.close();
  }
  expect(files()).toEqual(['w.1.log']);
  expect(read(1)).toBe('a\nb\n');
});

test('no file is larger than it may be, no more are kept, and no line is torn', async () => {
  const lines = open({ waitingBytesMax: 10_000 });
  for (let n = 0; n < 100; n += 1) append(lines, `line ${n} ${'x'.repeat(20)}\n`);
  await lines.close();
  expect(files()).toHaveLength(3);
  for (const name of files()) expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(100);
  const kept = files().flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(0, -1));
  expect(kept).toEqual(
    Array.from({ length: kept.length }, (_, n) => `line ${100 - kept.length + n} ${'x'.repeat(20)}`),
  );
});

test('a line that is larger than a file has one of its own', async () => {
  const lines = open();
  append(lines, 'a\n', `${'b'.repeat(200)}\n`, 'c\n');
  await lines.close();
  expect(files().map((_, at) => read(at + 1).length)).toEqual([2, 201, 2]);
});

test('numbers go on where an earlier run was; files of others are left alone', async () => {
  for (const name of ['w.9.log', 'w.10.log', 'other.1.log', 'w.x.log', 'w.10.log.bak']) {
    writeFileSync(join(dir, name), `${'x'.repeat(98)}\n`);
  }
  const lines = open();
  append(lines, 'a\n');
  await lines.close();
  expect(read(11)).toBe('a\n');
  expect(files().sort()).toEqual(['other.1.log', 'w.10.log', 'w.10.log.bak', 'w.11.log', 'w.9.log', 'w.x.log']);
});

test('half a line of somebody who was killed spoils no other', async () => {
  appendFileSync(join(dir, 'w.1.log'), 'half');
  const lines = open();
  append(lines, 'a\n');
  await lines.close();
  expect(read(1)).toBe('half\na\n');
});

test('a file that somebody deleted is made again', async () => {
  const lines = open();
  append(lines, 'a\n');
  await lines.flush();
  rmSync(join(dir, 'w.1.log'));
  append(lines, 'b\n');
  await lines.flush();
  expect(read(1)).toBe('b\n');
  await lines.close();
});

test('what can not be written is lost, is told once, and lines go on when they can', async () => {
  rmSync(dir, { recursive: true });
  const lines = open();
  for (const text of ['a\n', 'b\n', 'c\n']) {
    append(lines, text);
    await lines.flush();
  }
  expect(troubles).toEqual([{ error: expect.objectContaining({ code: 'ENOENT' }) }]);
  mkdirSync(dir);
  append(lines, 'd\n');
  await lines.close();
  expect(read(1)).toBe('d\n');
  expect(troubles.slice(1)).toEqual([{ lost: 3 }]);
});

test('a full disk loses lines, not the process, and leaves whole ones behind', async () => {
  const full = new RotatingLines({
    files: { list: () => [1], path: () => '/dev/full' } as unknown as NumberedFiles,
    fileBytesMax: 100,
    filesMax: 3,
    waitingBytesMax: 1000,
    onTrouble: (trouble) => troubles.push(trouble),
  });
  append(full, 'a\n');
  await full.flush();
  append(full, 'b\n');
  await full.close();
  expect(troubles).toEqual([{ error: expect.objectContaining({ code: 'ENOSPC' }) }]);
});

test('no more waits than may wait', async () => {
  const lines = open({ waitingBytesMax: 10 });
  append(lines, 'aaaa\n');
  append(lines, 'bbbb\n');
  append(lines, 'c\n');
  await lines.close();
  expect(read(1)).toBe('aaaa\nbbbb\n');
  expect(troubles).toEqual([
    { error: expect.objectContaining({ message: expect.stringContaining('too slow') }) },
    { lost: 1 },
  ]);
});
