/**
 * How the cluster's own gateway is joined, as it says itself in a file: looked at when the kernel tells that something
 * has changed there, and never else. As long as there is no such directory, the nearest one above it is watched.
 */
import { existsSync, type FSWatcher, readFileSync, watch } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import type { Log } from '../lib/log.ts';
import { type GatewayAddress, JOIN_FILE, parseJoin } from '../session/link/hello.ts';

export interface JoinWatchOptions {
  /** It may be missing, vanish and come back. */
  dir: string;
  /** Undefined if there is no gateway any more. */
  onChange(address: GatewayAddress | undefined): void;
  log: Log;
}

/** How far up, at most, from the directory to the cluster's. */
const ABOVE_MAX = 2;

export class JoinWatch {
  readonly #options: JoinWatchOptions;
  #watcher: FSWatcher | undefined;
  #told: string | undefined;
  #look: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: JoinWatchOptions) {
    this.#options = options;
    this.#refresh();
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#look);
    this.#unwatch();
  }

  #changed(): void {
    if (this.#closed) return;
    this.#look ??= setImmediate(() => {
      this.#look = undefined;
      this.#refresh();
    });
  }

  /** Watched first: what is written after the look is told. */
  #refresh(): void {
    this.#unwatch();
    const { dir, log } = this.#options;
    try {
      this.#watchNearest(dir);
    } catch (error) {
      log('warn', 'a gateway of the cluster is seen at the next start only', { err: error });
    }
    try {
      this.#tell(readFileSync(join(dir, JOIN_FILE), 'utf8'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') this.#tell(undefined);
      else log('warn', 'the gateway of the cluster can not be joined', { reason: reasonOf(error) });
    }
  }

  #tell(text: string | undefined): void {
    if (text === this.#told) return;
    const address = text === undefined ? undefined : parseJoin(text, join(this.#options.dir, JOIN_FILE));
    this.#told = text;
    this.#options.onChange(address);
  }

  #watchNearest(dir: string): void {
    for (let nearest = nearestOf(dir); nearest !== undefined; nearest = nearestOf(dir)) {
      this.#unwatch();
      if (!this.#watch(nearest, dir)) continue; // it has gone meanwhile
      // One that was made after it was looked for, and before what is above it was watched, is told of by nobody.
      if (nearestOf(dir) === nearest) return;
    }
    this.#unwatch();
  }

  /** False if it is not there. */
  #watch(nearest: string, dir: string): boolean {
    const next = nearest === dir ? undefined : relative(nearest, dir).split(sep)[0];
    try {
      this.#watcher = watch(nearest, (_kind, name) => {
        if (next === undefined || name === null || name === next) this.#changed();
      });
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    this.#watcher.on('error', () => this.#changed());
    return true;
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

/** The directory itself, or what is there above it; further up there is no cluster, and much that is nobody's business. */
function nearestOf(dir: string): string | undefined {
  let nearest = dir;
  for (let up = 0; up <= ABOVE_MAX; up += 1) {
    if (existsSync(nearest)) return nearest;
    nearest = dirname(nearest);
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Failure ? error.message : errnoWords(error);
}
