/**
 * Code that was current once: the last of it is kept for a while, so that a call can be run again on what it ran on.
 * What is pushed out may still be run by those who run it.
 */
import { EARLIER_BYTES_MAX } from './limits.ts';
import type { Snapshots } from './snapshots.ts';
import { type CodeVersion, type LambdaName, versionName } from './source.ts';

interface Kept {
  version: CodeVersion;
  bytes: number;
}

export interface EarlierVersionsOptions {
  snapshots: Snapshots;
  /** How many of all lambdas together; 0 keeps none. */
  max: number;
  /** Called when one is kept no longer. */
  onDropped: (name: LambdaName) => void;
}

export class EarlierVersions {
  readonly #options: EarlierVersionsOptions;
  /** By the name that it can be called by, the oldest first. */
  readonly #kept = new Map<LambdaName, Kept>();
  #bytes = 0;

  constructor(options: EarlierVersionsOptions) {
    this.#options = options;
  }

  /** It has just been replaced by another, and its snapshot is still there. `bytes`: what it takes on the disk. */
  add(version: CodeVersion, bytes: number): void {
    const { snapshots, max } = this.#options;
    const name = versionName(version.lambda as LambdaName, version.digest);
    this.#drop(name);
    if (max === 0 || bytes > EARLIER_BYTES_MAX) return;
    snapshots.hold(version.digest);
    this.#kept.set(name, { version: { ...version, lambda: name }, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= max && this.#bytes <= EARLIER_BYTES_MAX) return;
      this.#drop(oldest);
      this.#options.onDropped(oldest);
    }
  }

  /** Undefined if it is not kept, or has vanished from the disk. */
  find(name: LambdaName): CodeVersion | undefined {
    const version = this.#kept.get(name)?.version;
    if (version === undefined || this.#options.snapshots.has(version.digest)) return version;
    this.#drop(name);
    return undefined;
  }

  close(): void {
    for (const name of this.#kept.keys()) this.#drop(name);
  }

  #drop(name: LambdaName): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.#kept.delete(name);
    this.#bytes -= kept.bytes;
    this.#options.snapshots.letGo(kept.version.digest);
  }
}
