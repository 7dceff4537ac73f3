/**
 * Which secrets each lambda may read just now, for a worker: names, never values.
 *
 * Nothing is polled. Whoever asks in or after the event loop's check phase gets what was complete before
 * his request was sent, for the reason that stands in registry/local.ts. Where watches cannot be relied
 * on, the directories are listed each time somebody asks.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { remoteFileSystem } from '../lib/remote-file-system.ts';
import { readGrants, secretDirs } from './secret-store.ts';

export interface GrantedSecrets {
  names: readonly string[];
  /** Another one whenever a name or a value of them has changed. */
  edition: string;
}

export interface SecretWatchOptions {
  /** The cluster's directory of secrets. It may be missing, vanish and come back. */
  dir: string;
  /** Called soon after what a lambda was granted has changed. */
  onChange: (lambda: string) => void;
}

const NONE: GrantedSecrets = { names: [], edition: '' };

export class SecretWatch {
  readonly #options: SecretWatchOptions;
  #watchers: FSWatcher[] = [];
  /** Which directories the watches lie on; undefined if they cannot be relied on. */
  #watched: string | undefined;
  #granted: ReadonlyMap<string, GrantedSecrets> = new Map();
  #dirty = true;
  #look: NodeJS.Immediate | undefined;
  #closed = false;

  /** Throws Failure `config-invalid` if the directory cannot be read. */
  constructor(options: SecretWatchOptions) {
    this.#options = options;
    this.#list();
  }

  /** What the lambda may read now. Throws Failure `config-invalid` if that cannot be known. */
  granted(lambda: string): GrantedSecrets {
    if (this.#dirty || this.#watched === undefined) this.#refresh();
    return this.#granted.get(lambda) ?? NONE;
  }

  /** Something may have changed without an event. */
  changed(): void {
    this.#dirty = true;
    if (this.#closed) return;
    this.#look ??= setImmediate(() => {
      this.#look = undefined;
      try {
        if (this.#dirty) this.#refresh();
      } catch {
        // Whoever asks next is told.
      }
    });
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#look);
    this.#unwatch();
  }

  /** Looks again, and tells whose secrets are others than before. */
  #refresh(): void {
    const before = this.#granted;
    this.#list();
    for (const lambda of new Set([...before.keys(), ...this.#granted.keys()])) {
      if (before.get(lambda)?.edition !== this.#granted.get(lambda)?.edition) this.#options.onChange(lambda);
    }
  }

  #list(): void {
    const { dir } = this.#options;
    try {
      // First the watches, then the list: what changes in between is told.
      this.#watch();
      this.#dirty = false;
      this.#granted = listGranted(dir);
    } catch (error) {
      this.#dirty = true;
      throw new Failure('config-invalid', `the secrets in ${dir} can not be listed: ${errnoWords(error)}`, {
        cause: error,
      });
    }
  }

  /** Lays watches on the directories that are there now, unless they lie there already. */
  #watch(): void {
    const dirs = secretDirs(this.#options.dir);
    const there = identities(dirs);
    if (there !== undefined && there === this.#watched) return;
    this.#unwatch();
    if (there === undefined || this.#closed || remoteFileSystem(this.#options.dir) !== undefined) return;
    try {
      for (const dir of dirs) {
        const watcher = watch(dir, { persistent: false }, () => this.changed());
        watcher.on('error', () => this.changed());
        this.#watchers.push(watcher);
      }
      this.#watched = there;
    } catch {
      // No watches to be had, or a directory has just gone: then it is listed each time.
      this.#unwatch();
    }
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    this.#watched = undefined;
  }
}

function listGranted(dir: string): Map<string, GrantedSecrets> {
  const [, values] = secretDirs(dir);
  const granted = new Map<string, GrantedSecrets>();
  for (const { lambda, secret } of readGrants(dir).sort((a, b) => (a.secret < b.secret ? -1 : 1))) {
    const stat = statSync(join(values, secret), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) continue;
    const { names, edition } = granted.get(lambda) ?? NONE;
    const stamp = `${secret}:${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
    granted.set(lambda, { names: [...names, secret], edition: `${edition}/${stamp}` });
  }
  return granted;
}

/** Undefined if one of them is not there. */
function identities(dirs: readonly string[]): string | undefined {
  try {
    return dirs
      .map((dir) => statSync(dir, { bigint: true }))
      .map(({ dev, ino }) => `${dev}:${ino}`)
      .join();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}
