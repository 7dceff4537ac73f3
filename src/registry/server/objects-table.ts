/** Buckets and the objects in them, as the index knows them. Whoever writes does so within a transaction. */
import type { Database } from '../../store/database.ts';

export interface Place {
  bucket: string;
  key: string;
}

export interface StoredObject extends Place {
  /** SHA-256 of its bytes, and the name of its file. */
  blob: string;
  bytes: number;
  /** Without quotes. */
  etag: string;
  modifiedMs: number;
  /** What the client gave along, to be given back: content-type, x-amz-meta-*, checksums, by lower-case name. */
  headers: Readonly<Record<string, string>>;
}

export interface Bucket {
  name: string;
  createdMs: number;
}

interface Row {
  bucket: string;
  key: string;
  blob: string;
  bytes: number;
  etag: string;
  modified_ms: number;
  headers: string;
}

const COLUMNS = 'bucket, key, blob, bytes, etag, modified_ms, headers FROM objects JOIN blobs ON blob = sha256';

export class ObjectsTable {
  readonly #sql;

  constructor(database: Database) {
    const sql = (text: string) => database.prepare(text);
    this.#sql = {
      buckets: sql('SELECT name, created_ms AS createdMs FROM buckets ORDER BY name'),
      bucket: sql('SELECT name, created_ms AS createdMs FROM buckets WHERE name = ?'),
      addBucket: sql('INSERT INTO buckets VALUES (?, ?) ON CONFLICT DO NOTHING'),
      removeBucket: sql('DELETE FROM buckets WHERE name = ?'),
      anyIn: sql('SELECT 1 FROM objects WHERE bucket = ? LIMIT 1'),
      get: sql(`SELECT ${COLUMNS} WHERE bucket = ? AND key = ?`),
      page: sql(`SELECT ${COLUMNS} WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`),
      documents: sql("SELECT key, blob FROM objects WHERE bucket = ? AND key >= ? AND key < ? AND key GLOB '*/' || ?"),
      addBlob: sql('INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING'),
      put: sql(
        `INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET blob = excluded.blob,
         etag = excluded.etag, modified_ms = excluded.modified_ms, headers = excluded.headers`,
      ),
      remove: sql('DELETE FROM objects WHERE bucket = ? AND key = ?'),
      dropBlob: sql(
        `DELETE FROM blobs WHERE sha256 = ? AND NOT EXISTS (SELECT 1 FROM objects WHERE blob = sha256)
         AND NOT EXISTS (SELECT 1 FROM versions WHERE blob = sha256)`,
      ),
      blobBytes: sql('SELECT bytes FROM blobs WHERE sha256 = ?').pluck(),
    };
  }

  buckets(): Bucket[] {
    return this.#sql.buckets.all() as Bucket[];
  }

  bucket(name: string): Bucket | undefined {
    return this.#sql.bucket.get(name) as Bucket | undefined;
  }

  /** Nothing happens if it is there. */
  addBucket(name: string, nowMs: number): void {
    this.#sql.addBucket.run(name, nowMs);
  }

  /** Its unfinished uploads go with it. */
  removeBucket(name: string): void {
    this.#sql.removeBucket.run(name);
  }

  isEmpty(bucket: string): boolean {
    return this.#sql.anyIn.get(bucket) === undefined;
  }

  get({ bucket, key }: Place): StoredObject | undefined {
    const row = this.#sql.get.get(bucket, key) as Row | undefined;
    return row === undefined ? undefined : objectOf(row);
  }

  /** In the order of their keys' bytes, from `from` on and before `before`. */
  page(bucket: string, { from, before, max }: { from: string; before: string; max: number }): StoredObject[] {
    return (this.#sql.page.all(bucket, from, before, max) as Row[]).map(objectOf);
  }

  /** Keys and digests of those in a directory's directories that have this name. */
  namesakes(bucket: string, dir: string, name: string): { key: string; blob: string }[] {
    // '0' comes after '/'.
    const rows = this.#sql.documents.all(bucket, `${dir}/`, `${dir}0`, name) as { key: string; blob: string }[];
    return rows.filter(({ key }) => key.split('/').length === 3);
  }

  blobBytes(sha256: string): number | undefined {
    return this.#sql.blobBytes.get(sha256) as number | undefined;
  }

  addBlob(sha256: string, bytes: number): void {
    this.#sql.addBlob.run(sha256, bytes);
  }

  put({ bucket, key, blob, etag, modifiedMs, headers }: Omit<StoredObject, 'bytes'>): void {
    this.#sql.put.run(bucket, key, blob, etag, modifiedMs, JSON.stringify(headers));
  }

  remove({ bucket, key }: Place): void {
    this.#sql.remove.run(bucket, key);
  }

  /** Forgets the blob if nothing refers to it any more; true if so. */
  dropBlob(sha256: string): boolean {
    return this.#sql.dropBlob.run(sha256).changes > 0;
  }
}

function objectOf({ modified_ms, headers, ...row }: Row): StoredObject {
  return { ...row, modifiedMs: modified_ms, headers: JSON.parse(headers) as Record<string, string> };
}
