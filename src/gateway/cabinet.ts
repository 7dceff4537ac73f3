/** A bucket of the store as values in memory: read from there, written to both. */
import type { Bucket, Store } from '../store/key-value/store.ts';

export class Cabinet<Value extends object> {
  readonly #store: Store;
  readonly #bucket: Bucket;
  readonly #values = new Map<string, Value>();

  constructor(store: Store, bucket: Bucket) {
    this.#store = store;
    this.#bucket = bucket;
  }

  get size(): number {
    return this.#values.size;
  }

  async load(): Promise<void> {
    for await (const { key, value } of this.#store.list(this.#bucket)) {
      this.#values.set(key, JSON.parse(Buffer.from(value).toString('utf8')) as Value);
    }
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  values(): IterableIterator<Value> {
    return this.#values.values();
  }

  entries(): IterableIterator<[key: string, value: Value]> {
    return this.#values.entries();
  }

  /** Resolves when it is in the store; in memory it is at once. With a time, what reads it must look at the clock. */
  async put(key: string, value: Value, ttlMs?: number): Promise<void> {
    this.#values.set(key, value);
    await this.#write(key, value, ttlMs);
  }

  /** In memory alone, until `write`. */
  keep(key: string, value: Value): void {
    this.#values.set(key, value);
  }

  async write(key: string): Promise<void> {
    const value = this.#values.get(key);
    if (value !== undefined) await this.#write(key, value);
  }

  /** In memory alone: the store forgets it by its time. */
  forget(key: string): void {
    this.#values.delete(key);
  }

  async delete(key: string): Promise<boolean> {
    this.#values.delete(key);
    return this.#store.delete(this.#bucket, key);
  }

  async #write(key: string, value: Value, ttlMs?: number): Promise<void> {
    const bytes = new Uint8Array(Buffer.from(JSON.stringify(value)));
    await this.#store.put(this.#bucket, key, bytes, ttlMs === undefined ? {} : { ttlMs });
  }
}
