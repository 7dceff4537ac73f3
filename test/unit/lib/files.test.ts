import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeFileAtomic, writeFileFlushedLater } from '../../../src/lib/atomic-write.ts';
import { fileTail } from '../../../src/lib/file-tail.ts';
import { insideRoot } from '../../../src/lib/inside-root.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('an atomic write', () => {
  test('replaces the content and leaves nothing else', () => {
    const path = join(dir, 'f');
    writeFileAtomic(path, 'one');
    writeFileAtomic(path, 'two', 0o600);
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['f']);
  });

  test('that fails leaves what was there', () => {
    mkdirSync(join(dir, 'f'));
    expect(() => writeFileAtomic(join(dir, 'f'), 'x')).toThrow();
    expect(readdirSync(dir)).toEqual(['f']);
  });
});

describe('a write that is flushed later', () => {
  test('is there at once', async () => {
    const path = join(dir, 'f');
    writeFileAtomic(path, 'one');
    const flushed = writeFileFlushedLater(path, 'two');
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(dir)).toEqual(['f']);
    await flushed;
    expect(readFileSync(path, 'utf8')).toBe('two');
  });

  test('that fails does so at once, and leaves what was there', () => {
    mkdirSync(join(dir, 'f'));
    expect(() => writeFileFlushedLater(join(dir, 'f'), 'x')).toThrow();
    expect(readdirSync(dir)).toEqual(['f']);
  });
});

describe('the tail of a file', () => {
  test('begins where the reader says and with a whole line', () => {
    const path = join(dir, 'log');
    writeFileSync(path, 'old\nfirst\nsecond\n\nthird');
    expect(fileTail(path, 4, 1_000)).toEqual(['first', 'second', 'third']);
    expect(fileTail(path, 0, 14)).toEqual(['second', 'third']);
    expect(fileTail(path, 1_000, 10)).toEqual([]);
    expect(fileTail(join(dir, 'none'), 0, 10)).toEqual([]);
  });
});

describe('a path inside a root', () => {
  test('follows links as a process with that root would, and never leads out', () => {
    mkdirSync(join(dir, 'usr/bin'), { recursive: true });
    writeFileSync(join(dir, 'usr/bin/python3.11'), '');
    symlinkSync('usr/bin', join(dir, 'bin'));
    symlinkSync('/usr/bin/python3.11', join(dir, 'usr/bin/python3'));
    symlinkSync('../../../../../etc/passwd', join(dir, 'out'));
    symlinkSync('loop', join(dir, 'loop'));
    expect(insideRoot(dir, '/bin/python3')).toBe(join(dir, 'usr/bin/python3.11'));
    expect(insideRoot(dir, 'usr/./bin/../bin/python3')).toBe(join(dir, 'usr/bin/python3.11'));
    expect(insideRoot(dir, '/out')).toBeUndefined();
    expect(insideRoot(dir, '/loop')).toBeUndefined();
    expect(insideRoot(dir, '/none')).toBeUndefined();
  });
});
