/** Work that must not be done side by side: what has the same key is done one after the other, as it came. */
export class Turns<K> {
  /** The last of each key; it never rejects. */
  readonly #last = new Map<K, Promise<void>>();

  /** As `work` itself, when all that came before under the key has ended in whatever way. */
  run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const end = (): void => {
      if (this.#last.get(key) === ended) this.#last.delete(key);
    };
    const ended: Promise<void> = done.then(end, end);
    this.#last.set(key, ended);
    return done;
  }
}
