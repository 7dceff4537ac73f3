/** One-shot calls under way, by key: they count as sessions of it do. */
export class OneShots {
  readonly #running = new Map<string, number>();

  of(accessKey: string): number {
    return this.#running.get(accessKey) ?? 0;
  }

  /** Returns how to leave. */
  enter(accessKey: string): () => void {
    this.#running.set(accessKey, this.of(accessKey) + 1);
    return () => {
      const left = this.of(accessKey) - 1;
      if (left > 0) this.#running.set(accessKey, left);
      else this.#running.delete(accessKey);
    };
  }
}
