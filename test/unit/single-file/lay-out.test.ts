import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LayOutOrder, layOut } from '../../../src/single-file/lay-out.ts';
import { cacheDir } from '../../../src/single-file/place.ts';
import { scratchDir } from '../scratch-dir.ts';

const FUSE = ['NODE_SEA_FUSE', 'fce680ab2cc467b6e072b8b5df1996b2:'].join('_');
const MONTH_S = 31 * 24 * 3600;

let dir: string;
let order: LayOutOrder;

beforeEach(() => {
  dir = mkdtempSync(join(scratchDir(), 'isla-lay-out-'));
  writeFileSync(join(dir, 'executable'), `node${FUSE}1 and a program`);
  const files = [
    { path: 'dist/main.js', mode: 0o644, bytes: 21 },
    { path: 'dist/sandbox/run.py', mode: 0o755, bytes: 28 },
  ];
  order = {
    contents: { digest: 'd1', files },
    read: (path) => Buffer.from(`bytes of ${path}`),
    executable: join(dir, 'executable'),
    cache: join(dir, 'cache'),
  };
});

afterEach(() => rmSync(dir, { recursive: true }));

describe('what a single file holds', () => {
  it('is laid out below the cache, with its modes, and with a Node that does not run the program', () => {
    const laid = layOut(order);
    expect(laid).toBe(join(dir, 'cache/d1'));
    expect(readFileSync(join(laid, 'dist/main.js'), 'utf8')).toBe('bytes of dist/main.js');
    expect(statSync(join(laid, 'dist/main.js')).mode & 0o777).toBe(0o644);
    expect(statSync(join(laid, 'dist/sandbox/run.py')).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(laid, 'node'), 'utf8')).toBe(`node${FUSE}0 and a program`);
    expect(statSync(join(laid, 'node')).mode & 0o777).toBe(0o755);
  });

  it('is written once', () => {
    layOut(order);
    layOut({
      ...order,
      read: () => {
        throw new Error('read again');
      },
    });
  });

  it('is there as a whole or not at all', () => {
    const read = (path: string): Uint8Array => {
      if (path.endsWith('.py')) throw new Error('no space left');
      return Buffer.from('');
    };
    expect(() => layOut({ ...order, read })).toThrow(/can not be laid out in .*: no space left; set XDG_CACHE_HOME/);
    expect(readdirSync(join(dir, 'cache'))).toEqual([]);
  });

  it('is taken from the one who was quicker', () => {
    const read = (path: string): Uint8Array => {
      if (!existsSync(join(dir, 'cache/d1'))) layOut(order);
      return Buffer.from(`bytes of ${path}`);
    };
    expect(layOut({ ...order, read })).toBe(join(dir, 'cache/d1'));
    expect(readdirSync(join(dir, 'cache'))).toEqual(['d1']);
  });

  it('is not run if others may write to it, or to what it lies in', () => {
    const laid = layOut(order);
    chmodSync(laid, 0o775);
    expect(() => layOut(order)).toThrow(/others may write to .*d1.*chmod go-w it/);
    chmodSync(laid, 0o755);
    chmodSync(order.cache, 0o775);
    expect(() => layOut(order)).toThrow(/others may write to .*cache:/);
    mkdirSync(join(dir, 'open'));
    chmodSync(join(dir, 'open'), 0o777);
    expect(() => layOut({ ...order, cache: join(dir, 'open') })).toThrow(/others may write to .*open/);
  });

  it('is not run if what it lies in may be replaced by others', () => {
    const above = join(dir, 'above');
    mkdirSync(join(above, 'below'), { recursive: true });
    const cache = join(above, 'below/cache');
    layOut({ ...order, cache });
    chmodSync(above, 0o777);
    expect(() => layOut({ ...order, cache })).toThrow(/others may write to .*above, and replace what is run/);
    chmodSync(above, 0o1777);
    expect(layOut({ ...order, cache })).toBe(join(cache, 'd1'));
    if (process.geteuid?.() !== 0) return;
    chownSync(join(above, 'below'), 12_345, 12_345);
    expect(() => layOut({ ...order, cache })).toThrow(/below belongs to user 12345, who could replace what is run/);
  });

  it('is not run through a link that somebody else has planted', () => {
    const theirs = join(dir, 'theirs');
    mkdirSync(theirs, { mode: 0o755 });
    layOut({ ...order, cache: theirs });
    symlinkSync(theirs, order.cache);
    if (process.geteuid?.() !== 0) return;
    lchownSync(order.cache, 12_345, 12_345);
    expect(() => layOut(order)).toThrow(/cache belongs to user 12345/);
  });

  it('is mended where files are cut off or gone, and only there', () => {
    const laid = layOut(order);
    truncateSync(join(laid, 'dist/main.js'), 3);
    rmSync(join(laid, 'dist/sandbox'), { recursive: true });
    truncateSync(join(laid, 'node'), 0);
    const read: string[] = [];
    const noted = (path: string): Uint8Array => {
      read.push(path);
      return order.read(path);
    };
    layOut({ ...order, read: noted });
    expect(read).toEqual(['dist/main.js', 'dist/sandbox/run.py']);
    expect(readFileSync(join(laid, 'dist/main.js'), 'utf8')).toBe('bytes of dist/main.js');
    expect(statSync(join(laid, 'dist/sandbox/run.py')).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(laid, 'node'), 'utf8')).toBe(`node${FUSE}0 and a program`);
    expect(readdirSync(join(dir, 'cache'))).toEqual(['d1']);
  });

  it('needs a file that carries a program', () => {
    writeFileSync(order.executable, 'just a Node');
    expect(() => layOut(order)).toThrow(/does not say that it carries a program/);
    expect(readdirSync(join(dir, 'cache'))).toEqual([]);
  });

  it('goes when nobody has begun in it for a month, unless something runs from it', () => {
    const old = layOut(order);
    const past = Date.now() / 1000 - MONTH_S;
    utimesSync(old, past, past);
    const other = layOut({ ...order, contents: { ...order.contents, digest: 'd2' } });
    expect(readdirSync(join(dir, 'cache'))).toEqual(['d2']);
    expect(existsSync(other)).toBe(true);
  });
});

describe('the cache', () => {
  it('is the one that XDG_CACHE_HOME names, if it is absolute', () => {
    expect(cacheDir({ XDG_CACHE_HOME: '/x' })).toBe('/x/isla');
    expect(cacheDir({ XDG_CACHE_HOME: 'x' })).toMatch(/^\/.*\/\.cache\/isla$/);
    expect(cacheDir({})).toMatch(/^\/.*\/\.cache\/isla$/);
  });
});
