import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SqliteStore } from '../../../src/store/key-value/sqlite-store.ts';
import type { Change, Store } from '../../../src/store/key-value/store.ts';
import { scratchDir } from '../scratch-dir.ts';
import { useThreadProgram } from './thread-program.ts';

const program = useThreadProgram();

function directory(): string {
  const dir = mkdtempSync(join(scratchDir(), 'isla-key-value-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function open(path = join(directory(), 'gateway.db')): Promise<SqliteStore> {
  const store = new SqliteStore({ program: program.path, path, log: () => {} });
  await store.open();
  onTestFinished(() => store.close());
  return store;
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();

async function keys(store: Store, bucket: string, prefix?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(bucket, prefix)) found.push(key);
  return found;
}

async function take(changes: AsyncIterable<Change>, count: number): Promise<Change[]> {
  const taken: Change[] = [];
  for await (const change of changes) if (taken.push(change) === count) break;
  return taken;
}

describe('a key-value store in a file', () => {
  it('keeps what was put, with revisions that grow, over a restart', async () => {
    const path = join(directory(), 'gateway.db');
    const first = await open(path);
    expect(await first.get('a', 'k')).toBeUndefined();
    const one = await first.put('a', 'k', bytes('1'));
    const two = await first.put('a', 'k', bytes('2'));
    await first.put('b', 'k', bytes('other bucket'));
    expect(two).toBeGreaterThan(one);
    await first.close();
    const second = await open(path);
    const entry = await second.get('a', 'k');
    expect([text(entry?.value), entry?.revision]).toEqual(['2', two]);
    expect(await second.put('a', 'new', bytes('3'))).toBeGreaterThan(two + 1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('lets one of two that saw the same revision win', async () => {
    const store = await open();
    const revision = await store.put('a', 'k', bytes('0'), { ifRevision: 0 });
    const both = await Promise.allSettled([
      store.put('a', 'k', bytes('mine'), { ifRevision: revision }),
      store.put('a', 'k', bytes('yours'), { ifRevision: revision }),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(both[1]).toMatchObject({ reason: { code: 'conflict' } });
    expect(text((await store.get('a', 'k'))?.value)).toBe('mine');
    await expect(store.put('a', 'k', bytes('x'), { ifRevision: 0 })).rejects.toMatchObject({ code: 'conflict' });
    await expect(store.delete('a', 'k', { ifRevision: revision })).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.delete('a', 'k')).toBe(true);
    expect(await store.delete('a', 'k')).toBe(false);
  });

  it('lists by prefix in the order of keys, more than a page', async () => {
    const store = await open();
    const names = Array.from({ length: 600 }, (_, n) => `k/${String(n).padStart(4, '0')}`);
    await Promise.all(names.map((name) => store.put('a', name, bytes(name))));
    await store.put('a', 'l', bytes(''));
    await store.put('b', 'k/other', bytes(''));
    expect(await keys(store, 'a', 'k/')).toEqual(names);
    expect(await keys(store, 'a', 'k/000')).toEqual(names.slice(0, 10));
    expect((await keys(store, 'a')).at(-1)).toBe('l');
    // What LIKE would take for a pattern.
    expect(await keys(store, 'a', 'k%')).toEqual([]);
  });

  it('tells a watcher what changes, expiry included, in order', async () => {
    const store = await open();
    const abort = new AbortController();
    const seen = take(store.watch('a', 'w/', abort.signal), 4);
    await store.put('a', 'w/1', bytes('1'));
    await store.put('a', 'elsewhere', bytes('1'));
    await store.put('b', 'w/1', bytes('1'));
    // Asked for at once: what is deleted goes before the other has lived for its time.
    await Promise.all([store.put('a', 'w/2', bytes('2'), { ttlMs: 30 }), store.delete('a', 'w/1')]);
    const changes = await seen;
    expect(changes.map(({ kind, key }) => `${kind} ${key}`)).toEqual([
      'put w/1',
      'put w/2',
      'deleted w/1',
      'expired w/2',
    ]);
    const revisions = changes.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    expect(await store.get('a', 'w/2')).toBeUndefined();
    expect(await keys(store, 'a', 'w/')).toEqual([]);
  });

  it('ends a watch when its signal is aborted', async () => {
    const store = await open();
    const abort = new AbortController();
    const all = take(store.watch('a', '', abort.signal), 100);
    await store.put('a', 'k', bytes('1'));
    abort.abort();
    expect((await all).length).toBeLessThanOrEqual(1);
  });

  it('forgets what expired while nobody had it open, and a new life may begin', async () => {
    const path = join(directory(), 'gateway.db');
    const first = await open(path);
    await first.put('a', 'k', bytes('1'), { ttlMs: 1 });
    await first.put('a', 'long', bytes('1'), { ttlMs: 3_600_000 });
    await first.close();
    await expect.poll(async () => keys(await open(path), 'a')).toEqual(['long']);
    const second = await open(path);
    expect(await second.put('a', 'k', bytes('2'), { ifRevision: 0 })).toBeGreaterThan(0);
  });
});
