/** Lambdas, their versions, and what has changed of them. Whoever writes does so within a transaction. */
import type { Database } from '../../store/database.ts';
import { FUNCTIONS_DIR } from '../source.ts';
import { CHANGES_KEPT, CHANGES_PAGE_MAX } from './limits.ts';

export interface Version {
  lambda: string;
  /** SHA-256 of the bundle. */
  version: string;
  bytes: number;
  /** Of the object that it was uploaded as. */
  key: string;
  etag: string;
  headers: Readonly<Record<string, string>>;
  uploadedMs: number;
  current: boolean;
}

export interface Change {
  seq: number;
  /** Of the lambda; or, behind `~functions/`, of a function whose document has changed. */
  name: string;
  /** Of the document: the SHA-256 of its bytes. Null if the lambda, or the document, is gone. */
  version: string | null;
}

interface Row {
  lambda: string;
  version: string;
  bytes: number;
  key: string;
  etag: string;
  headers: string;
  uploaded_ms: number;
  current: number;
}

const VERSION = `SELECT v.lambda, v.blob AS version, b.bytes, v.key, v.etag, v.headers, v.uploaded_ms, l.name IS NOT NULL AS current
  FROM versions v JOIN blobs b ON v.blob = b.sha256 LEFT JOIN lambdas l ON l.name = v.lambda AND l.blob = v.blob`;

export class LambdasTable {
  readonly #sql;

  constructor(database: Database) {
    const sql = (text: string) => database.prepare(text);
    this.#sql = {
      epoch: sql('SELECT epoch FROM store').pluck(),
      deployed: sql(`${VERSION} WHERE l.name IS NOT NULL ORDER BY v.lambda`),
      current: sql(`${VERSION} WHERE l.name = ?`),
      versions: sql(`${VERSION} WHERE v.lambda = ? ORDER BY v.nth DESC`),
      addVersion: sql(
        `INSERT INTO versions VALUES (?, ?, (SELECT coalesce(max(nth), 0) + 1 FROM versions), ?, ?, ?, ?)
         ON CONFLICT (lambda, blob) DO UPDATE SET nth = excluded.nth, key = excluded.key, etag = excluded.etag,
         headers = excluded.headers, uploaded_ms = excluded.uploaded_ms`,
      ),
      beyond: sql(
        `${VERSION} JOIN (SELECT lambda, blob, row_number() OVER (PARTITION BY lambda ORDER BY nth DESC) AS rank FROM versions) r
         ON r.lambda = v.lambda AND r.blob = v.blob WHERE r.rank > ? AND l.name IS NULL`,
      ),
      removeVersion: sql('DELETE FROM versions WHERE lambda = ? AND blob = ?'),
      point: sql('INSERT INTO lambdas VALUES (?, ?) ON CONFLICT DO UPDATE SET blob = excluded.blob'),
      remove: sql('DELETE FROM lambdas WHERE name = ?'),
      addChange: sql('INSERT INTO changes (lambda, version) VALUES (?, ?)'),
      trim: sql('DELETE FROM changes WHERE seq <= ?'),
      lastSeq: sql("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)").pluck(),
      firstSeq: sql('SELECT coalesce(min(seq), 0) FROM changes').pluck(),
      changes: sql('SELECT seq, lambda AS name, version FROM changes WHERE seq > ? ORDER BY seq LIMIT ?'),
    };
  }

  /** Another one for every store that was ever made. */
  epoch(): string {
    return this.#sql.epoch.get() as string;
  }

  /** The current version of every lambda. */
  deployed(): Version[] {
    return (this.#sql.deployed.all() as Row[]).map(versionOf);
  }

  current(lambda: string): Version | undefined {
    const row = this.#sql.current.get(lambda) as Row | undefined;
    return row === undefined ? undefined : versionOf(row);
  }

  /** The last upload first. */
  versions(lambda: string): Version[] {
    return (this.#sql.versions.all(lambda) as Row[]).map(versionOf);
  }

  /** Of each lambda those that come after the last `keep`, but never the current one. */
  beyond(keep: number): Version[] {
    return (this.#sql.beyond.all(keep) as Row[]).map(versionOf);
  }

  addVersion({ lambda, version, key, etag, headers, uploadedMs }: Omit<Version, 'bytes' | 'current'>): void {
    this.#sql.addVersion.run(lambda, version, key, etag, JSON.stringify(headers), uploadedMs);
  }

  removeVersion({ lambda, version }: Version): void {
    this.#sql.removeVersion.run(lambda, version);
  }

  /** The version is among its versions. */
  point(lambda: string, version: string): void {
    if (this.current(lambda)?.version === version) return;
    this.#sql.point.run(lambda, version);
    this.#noteChange(lambda, version);
  }

  /** Takes the lambda away; its versions stay. */
  remove(lambda: string): void {
    if (this.#sql.remove.run(lambda).changes > 0) this.#noteChange(lambda, null);
  }

  /** The document of a function has these bytes from now on, or is gone: null. */
  documentChanged(lambda: string, version: string | null): void {
    this.#noteChange(`${FUNCTIONS_DIR}/${lambda}`, version);
  }

  lastSeq(): number {
    return this.#sql.lastSeq.get() as number;
  }

  /** Undefined if not all changes after `since` are kept, or there was no such number yet. */
  changesSince(since: number): Change[] | undefined {
    const last = this.lastSeq();
    if (since === last) return [];
    const first = this.#sql.firstSeq.get() as number;
    if (since > last || since < first - 1) return undefined;
    return this.#sql.changes.all(since, CHANGES_PAGE_MAX) as Change[];
  }

  #noteChange(lambda: string, version: string | null): void {
    const { lastInsertRowid } = this.#sql.addChange.run(lambda, version);
    this.#sql.trim.run(lastInsertRowid - CHANGES_KEPT);
  }
}

function versionOf({ headers, uploaded_ms, current, ...row }: Row): Version {
  return {
    ...row,
    headers: JSON.parse(headers) as Record<string, string>,
    uploadedMs: uploaded_ms,
    current: current === 1,
  };
}
