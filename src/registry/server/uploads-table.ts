/** Multipart uploads that have begun and are not complete. Whoever writes does so within a transaction. */
import type { Database } from '../../store/database.ts';
import type { Place } from './objects-table.ts';

export interface Upload extends Place {
  id: string;
  startedMs: number;
  headers: Readonly<Record<string, string>>;
}

export interface Part {
  number: number;
  /** Name of its file. */
  file: string;
  bytes: number;
  /** MD5 in hex. */
  etag: string;
  modifiedMs: number;
}

interface UploadRow extends Place {
  id: string;
  started_ms: number;
  headers: string;
}

export class UploadsTable {
  readonly #sql;

  constructor(database: Database) {
    const sql = (text: string) => database.prepare(text);
    this.#sql = {
      get: sql('SELECT * FROM uploads WHERE id = ?'),
      inBucket: sql('SELECT * FROM uploads WHERE bucket = ? ORDER BY key, id'),
      begunBefore: sql('SELECT * FROM uploads WHERE started_ms < ?'),
      add: sql('INSERT INTO uploads VALUES (?, ?, ?, ?, ?)'),
      remove: sql('DELETE FROM uploads WHERE id = ?'),
      part: sql(
        'SELECT number, file, bytes, etag, modified_ms AS modifiedMs FROM parts WHERE upload = ? AND number = ?',
      ),
      parts: sql(
        'SELECT number, file, bytes, etag, modified_ms AS modifiedMs FROM parts WHERE upload = ? ORDER BY number',
      ),
      putPart: sql(
        `INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET file = excluded.file,
         bytes = excluded.bytes, etag = excluded.etag, modified_ms = excluded.modified_ms`,
      ),
      isPart: sql('SELECT 1 FROM parts WHERE file = ?'),
    };
  }

  get(id: string): Upload | undefined {
    const row = this.#sql.get.get(id) as UploadRow | undefined;
    return row === undefined ? undefined : uploadOf(row);
  }

  inBucket(bucket: string): Upload[] {
    return (this.#sql.inBucket.all(bucket) as UploadRow[]).map(uploadOf);
  }

  begunBefore(ms: number): Upload[] {
    return (this.#sql.begunBefore.all(ms) as UploadRow[]).map(uploadOf);
  }

  add({ id, bucket, key, startedMs, headers }: Upload): void {
    this.#sql.add.run(id, bucket, key, startedMs, JSON.stringify(headers));
  }

  /** And its parts. */
  remove(id: string): void {
    this.#sql.remove.run(id);
  }

  part(id: string, number: number): Part | undefined {
    return this.#sql.part.get(id, number) as Part | undefined;
  }

  parts(id: string): Part[] {
    return this.#sql.parts.all(id) as Part[];
  }

  /** In the place of one of the same number. */
  putPart(id: string, { number, file, bytes, etag, modifiedMs }: Part): void {
    this.#sql.putPart.run(id, number, file, bytes, etag, modifiedMs);
  }

  /** Whether the file is one of a part. */
  isPart(file: string): boolean {
    return this.#sql.isPart.get(file) !== undefined;
  }
}

function uploadOf({ started_ms, headers, ...row }: UploadRow): Upload {
  return { ...row, startedMs: started_ms, headers: JSON.parse(headers) as Record<string, string> };
}
