/**
 * The code of one lambda, and whether the last snapshot is still what its directory holds.
 *
 * Every watch event counts as a change. A snapshot is good when the count and the listing are the
 * same before and after the copy, the count taken in a check phase, when all events of changes that
 * were complete by then have been delivered. Whoever joins a load that is under way has had the
 * events of his own changes delivered, too, so the load he joins will see them in its count.
 */
import { realpathSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '../config/failure.ts';
import type { LambdaTerms } from '../config/lambda-spec.ts';
import type { CheckPhase } from '../lib/check-phase.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { type CodeFacts, readCodeFacts } from './code-facts.ts';
import { mayBeLambda, NO_HANDLER_FILE } from './handler-files.ts';
import { SNAPSHOT_PAUSE_MS, SNAPSHOT_TRIES_MAX, TIMESTAMP_GRAIN_MS } from './limits.ts';
import type { Snapshots } from './snapshots.ts';
import type { CodeVersion, LambdaName } from './source.ts';
import { fileLookup, listTree, type Tree, TreeChanged } from './tree.ts';
import { DirectoryWatches } from './tree-watch.ts';

export interface LambdaCodeOptions {
  lambda: LambdaName;
  /** A directory or a link to one. */
  path: string;
  snapshots: Snapshots;
  terms: LambdaTerms;
  checkPhase: CheckPhase;
  onChange: () => void;
  /** Called when another version has taken its place, whose code is another; `bytes` is what its files have. */
  onReplaced: (version: CodeVersion, bytes: number) => void;
  /** Called when changes must be looked for because the kernel does not tell. */
  onUnwatched: (reason: string) => void;
}

interface Loaded {
  version: CodeVersion;
  tree: Tree;
  /** What the count of changes was. */
  changes: number;
  watched: boolean;
  /** If links lead to the directory: which one they led to. A link on the way changes without an event. */
  linkedTo: string | undefined;
  /** Without watches: whether the listing is old enough that any later change shows in file times. */
  settled: boolean;
}

export class LambdaCode {
  readonly #options: LambdaCodeOptions;
  #changes = 0;
  #watches: DirectoryWatches | undefined;
  #loaded: Loaded | undefined;
  #loading: Promise<CodeVersion | undefined> | undefined;
  #closed = false;

  constructor(options: LambdaCodeOptions) {
    this.#options = options;
  }

  /** Whether it has had a usable version. */
  get served(): boolean {
    return this.#loaded !== undefined;
  }

  /** Something about the lambda's entry in the registry has changed, or may have. */
  changed(): void {
    this.#changes += 1;
    this.#options.onChange();
  }

  /** The loaded version, if it is known to be what the directory holds. Costs no system call unless links are involved. */
  fresh(): CodeVersion | undefined {
    const loaded = this.#loaded;
    if (loaded === undefined || !loaded.watched || loaded.changes !== this.#changes) return undefined;
    if (loaded.linkedTo !== undefined && identity(this.#options.path) !== loaded.linkedTo) return undefined;
    return loaded.version;
  }

  /** Makes sure of the version; undefined if there is no such directory. To be called in a check phase. */
  load(): Promise<CodeVersion | undefined> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** The snapshot is no longer there: if it is the loaded one, the next load copies anew. */
  vanished(digest: string): void {
    if (this.#loaded?.version.digest === digest) this.#forget();
  }

  close(): void {
    this.#closed = true;
    this.#watches?.close();
    this.#forget();
  }

  async #load(): Promise<CodeVersion | undefined> {
    let failedBefore = false;
    for (let attempt = 0; attempt < SNAPSHOT_TRIES_MAX; attempt += 1) {
      if (attempt > 0) await delay(SNAPSHOT_PAUSE_MS * attempt);
      const changes = this.#changes;
      try {
        const result = await this.#attempt(changes);
        if (result !== 'changed') return result;
        failedBefore = false;
      } catch (error) {
        if (error instanceof TreeChanged) continue;
        if (!(error instanceof Failure)) throw this.#notCopied(error);
        await this.#options.checkPhase.next();
        // An editor may have moved the old file away and not yet the new one in: look twice.
        if (failedBefore && changes === this.#changes) throw this.#named(error);
        failedBefore = true;
      }
    }
    throw this.#named(new Failure('lambda-invalid', 'its files keep changing; is a program writing there?'));
  }

  async #attempt(changes: number): Promise<CodeVersion | undefined | 'changed'> {
    const root = realDirectory(this.#options.path);
    if (root === undefined) {
      this.#forget();
      return undefined;
    }
    const tree = await this.#watchAndList(root);
    if (!mayBeLambda(fileLookup(tree))) {
      throw new Failure('lambda-invalid', `its directory has ${NO_HANDLER_FILE}`);
    }
    const loaded = this.#loaded;
    if (loaded?.settled && loaded.tree.root === root && loaded.tree.signature === tree.signature) {
      return this.#confirm(loaded, changes);
    }
    return this.#copy(tree, changes);
  }

  async #copy(tree: Tree, changes: number): Promise<CodeVersion | 'changed'> {
    const { snapshots, lambda, checkPhase, terms } = this.#options;
    const listedMs = Date.now();
    const copy = await snapshots.copy(tree);
    let same: boolean;
    let facts: CodeFacts;
    try {
      same = (await listTree(tree.root, () => {})).signature === tree.signature;
      facts = await readCodeFacts({ ...copy, kept: snapshots.path(copy.digest), tree }, terms);
      await checkPhase.next();
    } catch (error) {
      snapshots.drop(copy);
      throw error;
    }
    if (!same || changes !== this.#changes || this.#closed) {
      snapshots.drop(copy);
      return 'changed';
    }
    snapshots.keep(copy);
    const before = this.#loaded;
    if (before !== undefined && before.version.digest !== copy.digest) {
      this.#options.onReplaced(before.version, bytesOf(before.tree));
    }
    this.#forget();
    const version = { lambda, digest: copy.digest, dir: snapshots.path(copy.digest), ...facts };
    const settled = listedMs - tree.changedMs > TIMESTAMP_GRAIN_MS;
    this.#loaded = { version, tree, settled, changes, ...this.#vigilance(tree.root) };
    return version;
  }

  /** The listing is what it was: nothing to copy, unless something changed while it was read. */
  async #confirm(loaded: Loaded, changes: number): Promise<CodeVersion | 'changed'> {
    await this.#options.checkPhase.next();
    if (changes !== this.#changes || this.#closed || this.#loaded !== loaded) return 'changed';
    this.#loaded = { ...loaded, changes, ...this.#vigilance(loaded.tree.root) };
    return loaded.version;
  }

  #vigilance(root: string): Pick<Loaded, 'watched' | 'linkedTo'> {
    return {
      watched: this.#watches?.unreliable === undefined,
      linkedTo: root === this.#options.path ? undefined : (identity(root) ?? ''),
    };
  }

  /** Watches are laid anew each time: one on a directory that has been replaced by another is deaf. */
  async #watchAndList(root: string): Promise<Tree> {
    const before = this.#watches;
    const watches = new DirectoryWatches(() => this.changed());
    this.#watches = watches;
    try {
      return await listTree(root, (path) => watches.add(path));
    } finally {
      before?.close();
      if (this.#closed) watches.close();
      if (watches.unreliable !== undefined) this.#options.onUnwatched(watches.unreliable);
    }
  }

  #forget(): void {
    if (this.#loaded !== undefined) this.#options.snapshots.letGo(this.#loaded.version.digest);
    this.#loaded = undefined;
  }

  #notCopied(error: unknown): Failure {
    const message = `the code of lambda ${this.#options.lambda} was not copied: ${errnoWords(error)}`;
    return new Failure('sandbox-failed', message, { step: 'copy code', cause: error });
  }

  #named(failure: Failure): Failure {
    return new Failure(failure.code, `lambda ${this.#options.lambda} cannot be used: ${failure.message}`, {
      cause: failure,
    });
  }
}

function bytesOf({ entries }: Tree): number {
  return entries.reduce((bytes, entry) => bytes + (entry.kind === 'file' ? entry.bytes : 0), 0);
}

/** The directory that the path leads to, free of links; undefined if there is none. */
function realDirectory(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    return statSync(real).isDirectory() ? real : undefined;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined;
    throw error;
  }
}

function identity(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}`;
}
