/** What is stored, and all changes to it. Reads are answered by the index at once; a change resolves when it is on the disk. */
import { join } from 'node:path';
import { Failure } from '../../config/failure.ts';
import type { Log } from '../../lib/log.ts';
import { type Database, isDiskFull } from '../../store/database.ts';
import { Blobs, INDEX_FILE, type TempFile } from './blobs.ts';
import { ChangeFeed } from './change-feed.ts';
import { CommitQueue, diskFull, type Step } from './commit-queue.ts';
import { openIndex } from './database.ts';
import { Followers } from './followers.ts';
import { documentPlace, functionOf, keysOf, LAMBDAS_BUCKET, lambdaOf } from './lambda-object.ts';
import { LambdasTable, type Version } from './lambdas-table.ts';
import { ObjectsTable, type Place, type StoredObject } from './objects-table.ts';
import { S3Error } from './s3-error.ts';
import type { Spooled } from './spool.ts';
import { UploadsTable } from './uploads-table.ts';

/** Looks whether a file can be a lambda. Rejects with a Failure that says why not. */
export type BundleCheck = (file: string) => Promise<unknown>;

export interface StoreOptions {
  /** Of the store alone; made if it is not there. One process at a time serves it. */
  dir: string;
  checkBundle: BundleCheck;
  log: Log;
  now: () => number;
}

/** Bytes that have come and are flushed, and whose they are to be. */
export interface Incoming {
  place: Place;
  file: TempFile;
  spooled: Pick<Spooled, 'bytes' | 'sha256'>;
  etag: string;
  headers: Readonly<Record<string, string>>;
  /** Looks at what is there now, within the transaction; throws S3Error to refuse. */
  precondition: (existing: StoredObject | undefined) => void;
}

export class Store {
  readonly blobs: Blobs;
  readonly objects: ObjectsTable;
  readonly lambdas: LambdasTable;
  readonly uploads: UploadsTable;
  readonly changes: ChangeFeed;
  readonly followers = new Followers();
  readonly #database: Database;
  readonly #queue: CommitQueue;
  readonly #options: StoreOptions;

  private constructor(database: Database, blobs: Blobs, options: StoreOptions) {
    this.#database = database;
    this.#options = options;
    this.blobs = blobs;
    this.objects = new ObjectsTable(database);
    this.lambdas = new LambdasTable(database);
    this.uploads = new UploadsTable(database);
    this.changes = new ChangeFeed(() => this.lambdas.lastSeq());
    const onCommit = () => this.changes.committed();
    this.#queue = new CommitQueue({ database, blobs, log: options.log, onCommit });
  }

  /** What was being written when the last server died goes. Throws Failure. */
  static async open(options: StoreOptions): Promise<Store> {
    const blobs = new Blobs(options.dir);
    blobs.make();
    const database = await openIndex(join(options.dir, INDEX_FILE));
    const left = blobs.clearTemp();
    blobs.keepReserve();
    if (left > 0) options.log('info', 'uploads that were cut off are removed', { files: left });
    const store = new Store(database, blobs, options);
    await store.change(() => store.objects.addBucket(LAMBDAS_BUCKET, options.now()));
    return store;
  }

  now(): number {
    return this.#options.now();
  }

  /** Runs a change of the index; see CommitQueue. */
  change<T>(change: (step: Step) => T): Promise<T> {
    return this.#queue.run(change);
  }

  /** A change that makes room, which there is a reserve for on a full disk. */
  free<T>(change: (step: Step) => T): Promise<T> {
    return this.#queue.run(change, { frees: true });
  }

  /** A file to write to, which goes with `body` unless it has become a blob. */
  async withTemp<T>(body: (file: TempFile) => Promise<T>): Promise<T> {
    try {
      const file = await this.blobs.temp();
      try {
        return await body(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw isDiskFull(error) ? diskFull() : error;
    }
  }

  /** Throws S3Error `InvalidBundle`. */
  async checkBundle(place: Place, path: string): Promise<void> {
    if (lambdaOf(place) === undefined) return;
    try {
      await this.#options.checkBundle(path);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const reasons = [error.message, ...error.problems].join('; ');
      throw new S3Error('InvalidBundle', `${place.key} can not be a lambda: ${reasons}`);
    }
  }

  /** Stores bytes that have come. Throws S3Error and changes nothing if they could not be what they are called. */
  async put(incoming: Incoming, also: (step: Step) => void = () => {}): Promise<StoredObject> {
    const { place, file, spooled, etag, headers, precondition } = incoming;
    await this.checkBundle(place, file.path);
    return this.change((step) => {
      precondition(this.objects.get(place));
      this.objects.addBlob(spooled.sha256, spooled.bytes);
      const stored = this.place(step, { ...place, blob: spooled.sha256, etag, headers });
      also(step);
      step.promote(file, spooled.sha256);
      return stored;
    });
  }

  /** Within a change: puts an object that refers to a blob with a row. A bundle becomes its lambda's current version. */
  place(step: Step, object: Omit<StoredObject, 'bytes' | 'modifiedMs'>): StoredObject {
    if (this.objects.bucket(object.bucket) === undefined) throw noSuchBucket();
    const modifiedMs = this.now();
    const lambda = lambdaOf(object);
    this.#needName(object, lambda);
    const places = lambda === undefined ? [object.key] : keysOf(lambda);
    const before = places.flatMap((key) => this.objects.get({ bucket: object.bucket, key }) ?? []);
    for (const other of before) if (other.key !== object.key) this.objects.remove(other);
    this.objects.put({ ...object, modifiedMs });
    if (lambda !== undefined) {
      const { blob: version, key, etag, headers } = object;
      this.lambdas.addVersion({ lambda, version, key, etag, headers, uploadedMs: modifiedMs });
      this.lambdas.point(lambda, version);
    }
    const named = functionOf(object);
    if (named !== undefined) this.lambdas.documentChanged(named, object.blob);
    for (const { blob } of before) this.#drop(step, blob);
    return { ...object, modifiedMs, bytes: this.objects.blobBytes(object.blob) ?? 0 };
  }

  /** Within a change. Nothing happens if it is not there. Deleting a bundle takes its lambda away. */
  remove(step: Step, place: Place): void {
    const object = this.objects.get(place);
    if (object === undefined) return;
    this.objects.remove(place);
    const lambda = lambdaOf(place);
    if (lambda !== undefined) this.lambdas.remove(lambda);
    const named = functionOf(place);
    if (named !== undefined) this.lambdas.documentChanged(named, null);
    this.#drop(step, object.blob);
  }

  /** Within a change: the lambda points at the version, and its object is that version's bundle again. */
  rollBack(step: Step, { lambda, version, key, etag, headers }: Version): void {
    const modifiedMs = this.now();
    this.#needName({ bucket: LAMBDAS_BUCKET, key }, lambda);
    const before = keysOf(lambda).flatMap((one) => this.objects.get({ bucket: LAMBDAS_BUCKET, key: one }) ?? []);
    for (const object of before) this.objects.remove(object);
    this.objects.put({ bucket: LAMBDAS_BUCKET, key, blob: version, etag, headers, modifiedMs });
    this.lambdas.point(lambda, version);
    for (const { blob } of before) this.#drop(step, blob);
  }

  /** Within a change: the upload and its parts go. */
  removeUpload(id: string): string[] {
    const files = this.uploads.parts(id).map(({ file }) => file);
    this.uploads.remove(id);
    return files;
  }

  close(): void {
    this.changes.close();
    this.followers.close();
    this.#database.close();
  }

  /** Within a change. Throws S3Error `NameTaken` if a lambda of that name was made in the other way. */
  #needName(place: Place, bundleOf: string | undefined): void {
    const named = functionOf(place);
    if (bundleOf !== undefined && this.objects.get(documentPlace(bundleOf)) !== undefined) {
      const message = `${bundleOf} is a function that was made through AWS's API: change it there, or remove it first.`;
      throw new S3Error('NameTaken', message);
    }
    if (named !== undefined && this.lambdas.current(named) !== undefined) {
      throw new S3Error('NameTaken', `Function already exist: ${named}; it is a bundle that somebody has uploaded.`);
    }
  }

  #drop(step: Step, blob: string): void {
    if (this.objects.dropBlob(blob)) step.release(blob);
  }
}

export function noSuchBucket(): S3Error {
  return new S3Error('NoSuchBucket', 'The specified bucket does not exist.');
}
