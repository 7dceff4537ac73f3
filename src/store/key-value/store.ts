/**
 * A small, strongly consistent store of values below keys: what a gateway must not forget. Drivers are SQLite in a
 * file (`SqliteStore`) and whatever several machines share later; all of them pass the same tests.
 */

/** Values of one kind: a word of `a-z` and `-`. */
export type Bucket = string;

export interface Entry {
  key: string;
  value: Uint8Array;
  /** Grows with each change of the whole store. */
  revision: number;
}

export type Change =
  | ({ kind: 'put' } & Entry)
  | { kind: 'deleted'; key: string; revision: number }
  /** Its time was up. */
  | { kind: 'expired'; key: string; revision: number };

export interface PutOptions {
  /** Only if the entry has this revision now; 0: only if there is none. */
  ifRevision?: number;
  /** After so many milliseconds it is gone. */
  ttlMs?: number;
}

export interface DeleteOptions {
  ifRevision?: number;
}

export interface Store {
  get(bucket: Bucket, key: string): Promise<Entry | undefined>;
  /** Resolves to its new revision. Rejects with Failure `conflict` if `ifRevision` is not the entry's. */
  put(bucket: Bucket, key: string, value: Uint8Array, options?: PutOptions): Promise<number>;
  /** Whether there was one. Rejects with Failure `conflict` as `put` does. */
  delete(bucket: Bucket, key: string, options?: DeleteOptions): Promise<boolean>;
  /** Those whose keys begin with `prefix`, by key. */
  list(bucket: Bucket, prefix?: string): AsyncIterable<Entry>;
  /** What changes from now on, in the order of revisions, expiry included, until the signal is aborted. */
  watch(bucket: Bucket, prefix: string, signal: AbortSignal): AsyncIterable<Change>;
}
