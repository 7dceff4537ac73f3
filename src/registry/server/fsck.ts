/**
 * Looks at everything that is stored, and changes nothing. A server may be at work meanwhile: what looks wrong is
 * looked at again with the index locked, when no change is half done.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import type { Database } from '../../store/database.ts';
import { Blobs, INDEX_FILE } from './blobs.ts';
import { openIndex } from './database.ts';
import { READ_BYTES, TEMP_AGE_MS_MAX } from './limits.ts';

export interface Checkup {
  blobs: number;
  bytes: number;
  objects: number;
  versions: number;
  /** Something that was acknowledged is not whole: what, and what to do. */
  damage: string[];
  /** Files that nothing refers to; `gc` removes them. Paths below the store. */
  orphans: string[];
}

interface BlobRow {
  sha256: string;
  bytes: number;
}

/** Throws Failure if the index can not be opened. */
export async function checkStore(dir: string, nowMs: number): Promise<Checkup> {
  const database = await openIndex(join(dir, INDEX_FILE));
  try {
    const blobs = new Blobs(dir);
    const damage = indexDamage(database);
    const rows = database.prepare('SELECT sha256, bytes FROM blobs ORDER BY sha256').all() as BlobRow[];
    for (const row of rows) {
      const problem = await blobProblem(blobs, row);
      if (problem !== undefined && isStored(database, row)) damage.push(describe(database, row, problem));
    }
    damage.push(...partDamage(database, blobs));
    const count = (table: string) => database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
    return {
      blobs: rows.length,
      bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
      objects: count('objects'),
      versions: count('versions'),
      damage,
      orphans: orphansOf(database, blobs, nowMs),
    };
  } finally {
    database.close();
  }
}

/** Files that nothing refers to. Looked for with the index locked: names are given under that lock only. */
export function orphansOf(database: Database, blobs: Blobs, nowMs: number): string[] {
  const temps = blobs.temps().filter((name) => {
    const { mtimeMs } = statSync(blobs.tempPath(name), { throwIfNoEntry: false }) ?? { mtimeMs: nowMs };
    return nowMs - mtimeMs > TEMP_AGE_MS_MAX;
  });
  const named = database
    .transaction(() => {
      const isBlob = database.prepare('SELECT 1 FROM blobs WHERE sha256 = ?');
      const isPart = database.prepare('SELECT 1 FROM parts WHERE file = ?');
      return [
        ...blobs
          .names()
          .filter((name) => isBlob.get(name) === undefined)
          .map((name) => `blobs/${name}`),
        ...blobs
          .parts()
          .filter((name) => isPart.get(name) === undefined)
          .map((name) => `parts/${name}`),
      ];
    })
    .immediate();
  return [...named, ...temps.map((name) => `tmp/${name}`)];
}

function indexDamage(database: Database): string[] {
  const found = database.prepare('PRAGMA integrity_check').pluck().all() as string[];
  const dangling = database.prepare('PRAGMA foreign_key_check').all() as { table: string; parent: string }[];
  return [
    ...found.filter((line) => line !== 'ok').map((line) => `index: ${line}`),
    ...dangling.map(({ table, parent }) => `index: a row of ${table} refers to one of ${parent} that is not there`),
  ];
}

async function blobProblem(blobs: Blobs, { sha256, bytes }: BlobRow): Promise<string | undefined> {
  const hash = createHash('sha256');
  let read = 0;
  try {
    for await (const piece of createReadStream(blobs.path(sha256), { highWaterMark: READ_BYTES })) {
      hash.update(piece as Buffer);
      read += (piece as Buffer).length;
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'its file is gone';
    return `its file can not be read: ${error instanceof Error ? error.message : error}`;
  }
  if (read !== bytes) return `its file has ${read} bytes, not ${bytes}`;
  return hash.digest('hex') === sha256 ? undefined : 'its bytes are not those that were uploaded';
}

/** It may have been deleted while it was looked at. */
function isStored(database: Database, { sha256 }: BlobRow): boolean {
  return database.prepare('SELECT 1 FROM blobs WHERE sha256 = ?').get(sha256) !== undefined;
}

function describe(database: Database, { sha256 }: BlobRow, problem: string): string {
  const objects = database.prepare("SELECT bucket || '/' || key FROM objects WHERE blob = ?").pluck().all(sha256);
  const versions = database.prepare('SELECT lambda FROM versions WHERE blob = ?').pluck().all(sha256);
  const whose = [
    ...(objects as string[]).map((place) => `object ${place}`),
    ...(versions as string[]).map((lambda) => `a version of lambda ${lambda}`),
  ];
  return `blob ${sha256} (${whose.join(', ')}): ${problem}; upload the same bytes again to mend it`;
}

function partDamage(database: Database, blobs: Blobs): string[] {
  const parts = database.prepare('SELECT file, number, bucket, key FROM parts JOIN uploads ON upload = id').all() as {
    file: string;
    number: number;
    bucket: string;
    key: string;
  }[];
  const isPart = database.prepare('SELECT 1 FROM parts WHERE file = ?');
  return parts
    .filter(({ file }) => !existsSync(blobs.partPath(file)) && isPart.get(file) !== undefined)
    .map(
      ({ number, bucket, key }) =>
        `part ${number} of the unfinished upload of ${bucket}/${key} is gone; upload it again`,
    );
}
