/** The loaders of a worker: how many there may be, and which goes when another one, or memory, is needed. */
import type { VersionLoader } from './version-loader.ts';

/** Each takes what the import of its lambda takes. */
const LOADERS_MAX = 12;
/** One that was used within this time is not given up for another: both would be made again and again. */
const KEPT_MS = 60_000;

/** A loader as people are shown it. */
export interface LoaderView {
  lambda: string;
  /** Digest of the code. */
  version: string;
  /** What its import took. */
  import_ms: number;
  /** Instances that were asked of it. */
  forks: number;
  memory_bytes: number | null;
}

export class Loaders {
  /** With when each was used last; the least recently used comes first. */
  readonly #used = new Map<VersionLoader, number>();

  /** Whether there may be one more: another one may have gone for it. */
  admit(loader: VersionLoader): boolean {
    const [first] = this.#used;
    if (this.#used.size >= LOADERS_MAX && first !== undefined) {
      const [oldest, usedMs] = first;
      if (performance.now() - usedMs < KEPT_MS) return false;
      oldest.rest();
    }
    this.used(loader);
    return true;
  }

  used(loader: VersionLoader): void {
    this.#used.delete(loader);
    this.#used.set(loader, performance.now());
  }

  gone(loader: VersionLoader): void {
    this.#used.delete(loader);
  }

  /** Memory is short: the one that was not used for longest goes. */
  relieve(): void {
    const [oldest] = this.#used.keys();
    oldest?.rest();
  }

  /** The worker stops. */
  close(): void {
    for (const loader of [...this.#used.keys()]) loader.close();
  }

  views(): LoaderView[] {
    return [...this.#used.keys()].flatMap((loader) => loader.view() ?? []);
  }
}
