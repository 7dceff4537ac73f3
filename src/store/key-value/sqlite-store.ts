/**
 * The key-value store in a file of this machine. One process owns the file: what changes is told to those who
 * watch when the thread has answered, in the order of its answers, which is that of the revisions.
 */
import { StoreThread, type StoreThreadOptions } from '../store-thread.ts';
import { type Expired, PAGE } from './open.ts';
import type { Bucket, Change, DeleteOptions, Entry, PutOptions, Store } from './store.ts';

/** The longest that Node's timers can wait, in milliseconds. */
const TIMER_MS_MAX = 2_147_483_647;

interface Watcher {
  bucket: Bucket;
  prefix: string;
  changes: Change[];
  wake: () => void;
}

export class SqliteStore implements Store {
  readonly #thread: StoreThread<'keyValue'>;
  readonly #watchers = new Set<Watcher>();
  #expiry: NodeJS.Timeout | undefined;
  #expiryMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: Omit<StoreThreadOptions<'keyValue'>, 'order'> & { path: string }) {
    const { path, ...rest } = options;
    this.#thread = new StoreThread({ ...rest, order: { store: 'keyValue', options: { path } } });
  }

  /** Opens the file, makes it if it is not there, and removes what has expired meanwhile. Rejects as `ask` does. */
  open(): Promise<void> {
    return this.#expire();
  }

  async get(bucket: Bucket, key: string): Promise<Entry | undefined> {
    return this.#thread.ask('get', { bucket, key, nowMs: Date.now() });
  }

  async put(bucket: Bucket, key: string, value: Uint8Array, options: PutOptions = {}): Promise<number> {
    const nowMs = Date.now();
    const revision = await this.#thread.ask('put', { bucket, key, value, nowMs, ...options });
    this.#tell(bucket, { kind: 'put', key, value, revision });
    if (options.ttlMs !== undefined) this.#expireAt(nowMs + options.ttlMs);
    return revision;
  }

  async delete(bucket: Bucket, key: string, options: DeleteOptions = {}): Promise<boolean> {
    const revision = await this.#thread.ask('delete', { bucket, key, nowMs: Date.now(), ...options });
    if (revision !== null) this.#tell(bucket, { kind: 'deleted', key, revision });
    return revision !== null;
  }

  async *list(bucket: Bucket, prefix = ''): AsyncIterable<Entry> {
    for (let after = ''; ; ) {
      const rows = await this.#thread.ask('list', { bucket, prefix, after, nowMs: Date.now() });
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = last.key;
    }
  }

  watch(bucket: Bucket, prefix: string, signal: AbortSignal): AsyncIterable<Change> {
    const watcher: Watcher = { bucket, prefix, changes: [], wake: () => {} };
    // From the call on, not from the first time somebody asks for a change.
    if (!signal.aborted) this.#watchers.add(watcher);
    const stop = () => {
      this.#watchers.delete(watcher);
      watcher.wake();
    };
    signal.addEventListener('abort', stop, { once: true });
    return this.#follow(watcher, signal);
  }

  async *#follow(watcher: Watcher, signal: AbortSignal): AsyncIterable<Change> {
    try {
      while (!signal.aborted) {
        const change = watcher.changes.shift();
        if (change !== undefined) {
          yield change;
          continue;
        }
        await new Promise<void>((resolve) => {
          watcher.wake = resolve;
        });
      }
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  /** Resolves when all that was asked for is in the file. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#expiry);
    await this.#thread.close();
  }

  #tell(bucket: Bucket, change: Change): void {
    for (const watcher of this.#watchers) {
      if (watcher.bucket !== bucket || !change.key.startsWith(watcher.prefix)) continue;
      watcher.changes.push(change);
      watcher.wake();
    }
  }

  #expireAt(atMs: number): void {
    if (this.#closed || atMs >= this.#expiryMs) return;
    clearTimeout(this.#expiry);
    this.#expiryMs = atMs;
    const waitMs = Math.min(Math.max(0, atMs - Date.now()), TIMER_MS_MAX);
    // One that fails is tried again with the next entry that has a time; reading never shows what has expired.
    this.#expiry = setTimeout(() => void this.#expire().catch(() => {}), waitMs).unref();
  }

  async #expire(): Promise<void> {
    this.#expiryMs = Number.POSITIVE_INFINITY;
    const { gone, nextMs }: Expired = await this.#thread.ask('expire', { nowMs: Date.now() });
    for (const { bucket, key, revision } of gone) this.#tell(bucket, { kind: 'expired', key, revision });
    if (nextMs !== null) this.#expireAt(nextMs);
  }
}
