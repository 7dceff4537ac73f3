/**
 * The directory that a bundle is unpacked into. Nobody else writes there, and links are laid when all files
 * are written, so that none is ever written through one.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const DIRECTORY_MODE = 0o755;

export class BundleTree {
  readonly #root: string;
  readonly #made = new Set(['.']);

  /** `root` is made here; what is there already is an error. */
  constructor(root: string) {
    this.#root = root;
    makeDirectory(root);
  }

  /** With those around it. The path is one that the guard admitted. */
  directory(path: string): void {
    if (this.#made.has(path)) return;
    this.directory(dirname(path));
    makeDirectory(join(this.#root, path));
    this.#made.add(path);
  }

  async file(path: string, content: AsyncIterable<Buffer>, executable: boolean): Promise<void> {
    this.directory(dirname(path));
    const fd = openSync(join(this.#root, path), 'wx', 0o600);
    try {
      for await (const piece of content) for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
      fchmodSync(fd, executable ? 0o755 : 0o644);
    } finally {
      closeSync(fd);
    }
  }

  /** Lays the links, and takes everything out of the folder that it lies in, if it does. */
  finish(folder: string, links: ReadonlyMap<string, string>): void {
    for (const [path, target] of links) {
      this.directory(dirname(path));
      symlinkSync(target, join(this.#root, path));
    }
    if (folder === '') return;
    const aside = `${this.#root}~`;
    renameSync(join(this.#root, folder), aside);
    rmdirSync(this.#root);
    renameSync(aside, this.#root);
  }
}

/** The mode is set apart from the making, because the umask has a say in the latter. */
function makeDirectory(path: string): void {
  mkdirSync(path);
  chmodSync(path, DIRECTORY_MODE);
}
