/**
 * All changes to the store, in one place. What waits at the same time goes into one transaction, so that a
 * hundred uploads at once wait for a few flushes of the disk and not for a hundred.
 *
 * A blob gets its name inside the transaction that refers to it, with SQLite's write lock held; whoever
 * removes blobs nobody refers to holds that lock, too. So no blob is removed between its name and its row,
 * whichever processes are at it. In order: the bytes are flushed (spool.ts), the name is given, the
 * directory is flushed, the index is committed, which flushes; then the client is told.
 */
import type { Log } from '../../lib/log.ts';
import { type Database, isDiskFull } from '../../store/database.ts';
import type { Blobs, TempFile } from './blobs.ts';
import { S3Error } from './s3-error.ts';

/** What a change may do besides writing to the index. */
export interface Step {
  /** Makes the file a blob. */
  promote(file: TempFile, sha256: string): void;
  /** To be removed after the commit, if nothing refers to it then. */
  release(sha256: string): void;
}

interface Job {
  change: (step: Step) => unknown;
  /** It makes room, so it may use what is kept for that. */
  frees: boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

type Outcome = { kind: 'done'; value: unknown } | { kind: 'refused'; error: S3Error };

export class CommitQueue {
  readonly #database: Database;
  readonly #blobs: Blobs;
  readonly #log: Log;
  readonly #isKnown: (sha256: string) => boolean;
  readonly #onCommit: () => void;
  #waiting: Job[] = [];

  constructor(options: { database: Database; blobs: Blobs; log: Log; onCommit: () => void }) {
    this.#database = options.database;
    this.#blobs = options.blobs;
    this.#log = options.log;
    this.#onCommit = options.onCommit;
    const row = options.database.prepare('SELECT 1 FROM blobs WHERE sha256 = ?').pluck();
    this.#isKnown = (sha256) => row.get(sha256) !== undefined;
  }

  /**
   * Runs the change in a transaction and resolves when it is on the disk. A change that throws S3Error is
   * taken back, alone; anything else takes back all that were committed with it.
   */
  run<T>(change: (step: Step) => T, { frees = false } = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ change, frees, resolve: resolve as (value: unknown) => void, reject });
      if (this.#waiting.length === 1) setImmediate(() => this.#flush(this.#waiting.splice(0)));
    });
  }

  #flush(jobs: readonly Job[]): void {
    const promoted = new Set<string>();
    const released = new Set<string>();
    let outcomes: Outcome[];
    try {
      outcomes = this.#database
        .transaction(() => {
          const all = jobs.map((job) => this.#runOne(job, promoted, released));
          if (promoted.size > 0) this.#blobs.flushNames();
          return all;
        })
        .immediate();
    } catch (error) {
      this.#remove(promoted);
      const full = isDiskFull(error);
      const freeing = full ? jobs.filter(({ frees }) => frees) : [];
      const again = freeing.length > 0 && this.#blobs.giveUpReserve() ? freeing : [];
      for (const job of jobs) if (!again.includes(job)) job.reject(full ? diskFull() : error);
      if (again.length > 0) this.#flush(again);
      return;
    }
    this.#remove(new Set([...promoted, ...released]));
    if (released.size > 0) this.#blobs.keepReserve();
    for (const [at, { resolve, reject }] of jobs.entries()) {
      const outcome = outcomes[at] as Outcome;
      if (outcome.kind === 'done') resolve(outcome.value);
      else reject(outcome.error);
    }
    this.#onCommit();
  }

  #runOne({ change }: Job, promoted: Set<string>, released: Set<string>): Outcome {
    const step: Step = {
      promote: (file, sha256) => {
        this.#blobs.promote(file, sha256);
        promoted.add(sha256);
      },
      release: (sha256) => released.add(sha256),
    };
    try {
      return { kind: 'done', value: this.#database.transaction(() => change(step))() };
    } catch (error) {
      if (error instanceof S3Error) return { kind: 'refused', error };
      throw error;
    }
  }

  /** In the same turn as the commit: no later change of ours can have named one of them again. */
  #remove(blobs: ReadonlySet<string>): void {
    for (const sha256 of blobs) {
      try {
        if (!this.#isKnown(sha256)) this.#blobs.remove(sha256);
      } catch (err) {
        this.#log('warn', 'a blob that nothing refers to was not removed', { blob: sha256, err });
      }
    }
  }
}

export function diskFull(): S3Error {
  return new S3Error('InsufficientStorage', 'The disk of the registry is full; nothing was changed.');
}
