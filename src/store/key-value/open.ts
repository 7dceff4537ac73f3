/** The file of a key-value store, as its thread sees it. */
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../config/failure.ts';
import { giveToOwnerOf } from '../../lib/give-to-owner.ts';
import { type Database, openDatabase } from '../database.ts';
import type { Bucket, DeleteOptions, PutOptions } from './store.ts';

export interface KeyValueOptions {
  path: string;
}

/** As it stands in the file. */
export interface Row {
  key: string;
  value: Uint8Array;
  revision: number;
}

export interface PutArgs extends PutOptions {
  bucket: Bucket;
  key: string;
  value: Uint8Array;
  nowMs: number;
}

export interface DeleteArgs extends DeleteOptions {
  bucket: Bucket;
  key: string;
  nowMs: number;
}

export interface Expired {
  gone: { bucket: Bucket; key: string; revision: number }[];
  /** When the next one's time is up; null if none has a time. */
  nextMs: number | null;
}

/** Entries that are read at once. */
export const PAGE = 256;

const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE entries (
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    revision INTEGER NOT NULL,
    expires_ms INTEGER,
    PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entries_by_expiry ON entries (expires_ms) WHERE expires_ms IS NOT NULL;
  -- The last revision that was given, to a deletion perhaps, of which nothing else is left.
  CREATE TABLE revisions (last INTEGER NOT NULL) STRICT;
  INSERT INTO revisions VALUES (0);
  `,
];

/** Makes it if it is not there. Throws Failure as `openDatabase` does. */
export async function openKeyValue({ path }: KeyValueOptions) {
  // Keys of clients lie in it: it is for the cluster's owner only, whoever runs the gateway.
  const fd = openSync(path, 'a', 0o600);
  giveToOwnerOf(dirname(path), fd);
  closeSync(fd);
  const database = await openDatabase({ path, what: 'the file of a gateway', migrations: MIGRATIONS });
  // A crash of the program loses nothing. A power cut may lose the last moments, and the sandboxes of this machine with them.
  database.exec('PRAGMA synchronous = NORMAL');
  return { database, ops: opsOf(database) };
}

const ALIVE = '(expires_ms IS NULL OR expires_ms > ?)';

function opsOf(database: Database) {
  const next = database.prepare('UPDATE revisions SET last = last + 1 RETURNING last').pluck();
  const one = database.prepare(`SELECT key, value, revision FROM entries WHERE bucket = ? AND key = ? AND ${ALIVE}`);
  const page = database.prepare(`SELECT key, value, revision FROM entries
    WHERE bucket = ? AND key > ? AND key >= ? AND substr(key, 1, length(?)) = ? AND ${ALIVE} ORDER BY key LIMIT ${PAGE}`);
  const write = database.prepare(`INSERT INTO entries VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET value = excluded.value, revision = excluded.revision, expires_ms = excluded.expires_ms`);
  const remove = database.prepare('DELETE FROM entries WHERE bucket = ? AND key = ?');
  const old = database.prepare('DELETE FROM entries WHERE expires_ms <= ? RETURNING bucket, key');
  const nextExpiry = database.prepare('SELECT min(expires_ms) FROM entries WHERE expires_ms IS NOT NULL').pluck();

  const find = (bucket: Bucket, key: string, nowMs: number) => one.get(bucket, key, nowMs) as Row | undefined;
  const revision = () => next.get() as number;
  const demand = (wanted: number | undefined, found: Row | undefined, key: string): void => {
    const has = found?.revision ?? 0;
    if (wanted !== undefined && wanted !== has) {
      throw new Failure('conflict', `${key} has revision ${has}, not ${wanted}: somebody else has changed it`);
    }
  };
  return {
    get: {
      reads: true,
      run: ({ bucket, key, nowMs }: { bucket: Bucket; key: string; nowMs: number }) => find(bucket, key, nowMs),
    },
    list: {
      reads: true,
      run: ({ bucket, prefix, after, nowMs }: { bucket: Bucket; prefix: string; after: string; nowMs: number }) =>
        page.all(bucket, after, prefix, prefix, prefix, nowMs) as Row[],
    },
    put: {
      run: ({ bucket, key, value, ifRevision, ttlMs, nowMs }: PutArgs): number => {
        demand(ifRevision, find(bucket, key, nowMs), key);
        const given = revision();
        write.run(bucket, key, value, given, ttlMs === undefined ? null : nowMs + ttlMs);
        return given;
      },
    },
    delete: {
      /** The revision of the deletion; null if there was nothing. */
      run: ({ bucket, key, ifRevision, nowMs }: DeleteArgs): number | null => {
        const found = find(bucket, key, nowMs);
        demand(ifRevision, found, key);
        if (found === undefined) return null;
        remove.run(bucket, key);
        return revision();
      },
    },
    expire: {
      run: ({ nowMs }: { nowMs: number }): Expired => {
        const rows = old.all(nowMs) as { bucket: Bucket; key: string }[];
        const gone = rows.map((row) => ({ ...row, revision: revision() }));
        return { gone, nextMs: nextExpiry.get() as number | null };
      },
    },
  };
}
