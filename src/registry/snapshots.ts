/** The snapshots of a worker, one directory per digest, each kept as long as somebody holds it. */
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import type { Tree } from './tree.ts';
import { copyTree } from './tree-copy.ts';

export class Snapshots {
  readonly #dir: string;
  /** How many hold each digest. */
  readonly #holders = new Map<string, number>();
  readonly #removals = new Set<Promise<void>>();
  /** Tells the temporary names of this life of the store from leftovers of an earlier one. */
  readonly #birth = Date.now().toString(36);
  #temporaries = 0;

  /** `dir` is this store's own. What an earlier worker left there is removed. */
  constructor(dir: string) {
    this.#dir = dir;
    claimDirectory(dir);
    for (const name of readdirSync(dir)) if (name !== MARKER) this.#removeAside(join(dir, name));
  }

  path(digest: string): string {
    return join(this.#dir, digest);
  }

  /** Whether it is on the disk, where others may have deleted it. */
  has(digest: string): boolean {
    return existsSync(this.path(digest));
  }

  /** Copies the tree. The copy counts for nothing until it is kept or dropped. */
  copy(tree: Tree): Promise<UnkeptCopy> {
    return this.fill((dir) => copyTree(tree, dir));
  }

  /**
   * As `copy`, of whatever `make` makes at the path it is given, where nothing is yet; it answers with the
   * digest. What lies beside it under longer names is `make`'s to remove.
   */
  async fill(make: (dir: string) => Promise<string>): Promise<UnkeptCopy> {
    if (!existsSync(this.#dir)) makeAgain(this.#dir);
    const dir = this.#temporary('copy');
    try {
      return { dir, digest: await make(dir) };
    } catch (error) {
      this.#remove(dir);
      throw error;
    }
  }

  /** Makes the copy the snapshot of its digest, unless there is one, and holds it once. */
  keep(copy: UnkeptCopy): void {
    if (this.has(copy.digest)) this.#remove(copy.dir);
    else renameSync(copy.dir, this.path(copy.digest));
    this.hold(copy.digest);
  }

  drop(copy: UnkeptCopy): void {
    this.#remove(copy.dir);
  }

  hold(digest: string): void {
    this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1);
  }

  /** Undoes one `hold` or `keep`; the last removes the snapshot. */
  letGo(digest: string): void {
    const holders = this.#holders.get(digest);
    if (holders === undefined) throw new Error(`snapshot ${digest} is held by nobody`);
    if (holders > 1) {
      this.#holders.set(digest, holders - 1);
      return;
    }
    this.#holders.delete(digest);
    this.#removeAside(this.path(digest));
  }

  /** Resolves when everything that was to be removed is gone. */
  async settle(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #temporary(kind: string): string {
    this.#temporaries += 1;
    return join(this.#dir, `.${kind}-${this.#birth}-${this.#temporaries}`);
  }

  /** Under another name first: the same code may come back before the last file is gone. */
  #removeAside(path: string): void {
    const doomed = this.#temporary('gone');
    try {
      renameSync(path, doomed);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    this.#remove(doomed);
  }

  /** Failing to remove a copy harms nobody: the next start of the worker clears the directory. */
  #remove(dir: string): void {
    const removal = rm(dir, { recursive: true, force: true })
      .catch(() => {})
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

/** Says that everything in the directory is ours to delete. */
const MARKER = '.isla-code';

function claimDirectory(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const names = readdirSync(dir);
  if (names.includes(MARKER)) return;
  if (names.length > 0) {
    throw new Failure('config-invalid', `${dir} holds files that are not this program's; is "worker_dir" right?`);
  }
  mark(dir);
}

/** Not its parents: a worker's directory that was moved away is not to be replaced by an empty one. */
function makeAgain(dir: string): void {
  mkdirSync(dir);
  mark(dir);
}

function mark(dir: string): void {
  writeFileSync(join(dir, MARKER), 'Copies of lambda code. The worker deletes everything in this directory.\n');
}

export interface UnkeptCopy {
  dir: string;
  digest: string;
}
