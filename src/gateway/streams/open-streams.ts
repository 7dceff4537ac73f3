/** Answers that have no end of their own: all of them are ended when the gateway stops. */
export class OpenStreams {
  readonly #ends = new Set<() => void>();
  #closed = false;

  get size(): number {
    return this.#ends.size;
  }

  /** Returns how to leave. One that comes too late is ended in a moment. */
  add(end: () => void): () => void {
    this.#ends.add(end);
    const leave = () => this.#ends.delete(end);
    if (this.#closed) setImmediate(() => this.#ends.has(end) && end());
    return leave;
  }

  closeAll(): void {
    this.#closed = true;
    for (const end of [...this.#ends]) end();
  }
}
