/** Answers that have no end of their own: all of them are ended when the gateway stops. */
export class OpenStreams {
  readonly #ends = new Set<() => void>();

  get size(): number {
    return this.#ends.size;
  }

  /** Returns how to leave. */
  add(end: () => void): () => void {
    this.#ends.add(end);
    return () => this.#ends.delete(end);
  }

  closeAll(): void {
    for (const end of [...this.#ends]) end();
  }
}
