/**
 * Removes what nobody needs. A server may be at work meanwhile: whatever is removed is removed with the index
 * locked, under which alone files get their names.
 */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDiskFull } from '../../store/database.ts';
import { Blobs, INDEX_FILE } from './blobs.ts';
import { openIndex } from './database.ts';
import { orphansOf } from './fsck.ts';
import { LambdasTable } from './lambdas-table.ts';
import { UPLOAD_AGE_MS_MAX } from './limits.ts';
import { ObjectsTable } from './objects-table.ts';
import { UploadsTable } from './uploads-table.ts';

export interface GcOrder {
  dir: string;
  /** Versions that each lambda keeps, the last uploads first and the current one in any case; all if undefined. */
  keep: number | undefined;
  nowMs: number;
}

export interface Collected {
  versions: number;
  /** Multipart uploads that nobody has completed. */
  uploads: number;
  files: number;
  bytes: number;
}

/** Files that are removed before others may use the index again: some milliseconds. */
const FILES_AT_A_TIME = 64;

export async function collectGarbage({ dir, keep, nowMs }: GcOrder): Promise<Collected> {
  const database = await openIndex(join(dir, INDEX_FILE));
  try {
    const blobs = new Blobs(dir);
    const lambdas = new LambdasTable(database);
    const objects = new ObjectsTable(database);
    const uploads = new UploadsTable(database);
    const forget = database.transaction(() => {
      const old = keep === undefined ? [] : lambdas.beyond(keep);
      for (const version of old) {
        lambdas.removeVersion(version);
        objects.dropBlob(version.version);
      }
      const late = uploads.begunBefore(nowMs - UPLOAD_AGE_MS_MAX);
      for (const { id } of late) uploads.remove(id);
      return [old.length, late.length] as const;
    });
    const [versions, abandoned] = withReserve(blobs, () => forget.immediate());
    const isBlob = database.prepare('SELECT 1 FROM blobs WHERE sha256 = ?');
    const isPart = database.prepare('SELECT 1 FROM parts WHERE file = ?');
    const collected: Collected = { versions, uploads: abandoned, files: 0, bytes: 0 };
    const orphans = orphansOf(database, blobs, nowMs);
    for (let at = 0; at < orphans.length; at += FILES_AT_A_TIME) {
      database
        .transaction(() => {
          for (const orphan of orphans.slice(at, at + FILES_AT_A_TIME)) {
            const [kind, name = ''] = orphan.split('/');
            // It may have got a row since it was found.
            if (kind !== 'tmp' && (kind === 'blobs' ? isBlob : isPart).get(name) !== undefined) continue;
            collected.bytes += statSync(join(dir, orphan), { throwIfNoEntry: false })?.size ?? 0;
            collected.files += 1;
            rmSync(join(dir, orphan), { force: true });
          }
        })
        .immediate();
    }
    blobs.keepReserve();
    return collected;
  } finally {
    database.close();
  }
}

/** Forgetting is writing, too: on a full disk it takes the room that is kept for it. */
function withReserve<T>(blobs: Blobs, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isDiskFull(error) || !blobs.giveUpReserve()) throw error;
    return work();
  }
}
