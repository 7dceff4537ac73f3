/** The snapshots of a worker, one directory per digest, each kept as long as somebody holds it. */
import { mkdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tree } from './tree.ts';
import { copyTree } from './tree-copy.ts';

export class Snapshots {
  readonly #dir: string;
  /** How many hold each digest. */
  readonly #holders = new Map<string, number>();
  readonly #removals = new Set<Promise<void>>();
  #temporaries = 0;

  /** `dir` is this store's own; what an earlier worker left there is the caller's to remove before. */
  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  path(digest: string): string {
    return join(this.#dir, digest);
  }

  /** Copies the tree. The copy counts for nothing until it is kept or dropped. */
  async copy(tree: Tree): Promise<UnkeptCopy> {
    const dir = this.#temporary('copy');
    try {
      return { dir, digest: await copyTree(tree, dir) };
    } catch (error) {
      this.#remove(dir);
      throw error;
    }
  }

  /** Makes the copy the snapshot of its digest, unless there is one, and holds it once. */
  keep(copy: UnkeptCopy): void {
    if (this.#holders.has(copy.digest)) this.#remove(copy.dir);
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
    // Under another name first: the same code may come back before the last file is gone.
    const doomed = this.#temporary('gone');
    renameSync(this.path(digest), doomed);
    this.#remove(doomed);
  }

  /** Resolves when everything that was to be removed is gone. */
  async settle(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #temporary(kind: string): string {
    this.#temporaries += 1;
    return join(this.#dir, `.${kind}-${this.#temporaries}`);
  }

  /** Failing to remove a copy harms nobody: the next start of the worker clears the directory. */
  #remove(dir: string): void {
    const removal = rm(dir, { recursive: true, force: true })
      .catch(() => {})
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

export interface UnkeptCopy {
  dir: string;
  digest: string;
}
