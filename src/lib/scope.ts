type Release = () => void | Promise<void>;

/** What has been acquired, with how to release it, in order. Who acquires registers the release on the next line. */
export class Scope {
  readonly #releases: Release[] = [];

  onClose(release: Release): void {
    this.#releases.push(release);
  }

  /** Releases everything, the last acquired first, even if some releases fail. Idempotent. */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0)
      throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'several releases failed');
  }
}
