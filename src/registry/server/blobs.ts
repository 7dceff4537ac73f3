/** The files of the store: blobs by the SHA-256 of their bytes, parts of uploads, and what is being written. */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../lib/errno.ts';
import { RESERVE_BYTES } from './limits.ts';

export const INDEX_FILE = 'index.db';
const RESERVE_FILE = 'reserve';

export class Blobs {
  readonly #dir: string;
  readonly #blobsDir: string;
  readonly #partsDir: string;
  readonly #tempDir: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.#blobsDir = join(dir, 'blobs');
    this.#partsDir = join(dir, 'parts');
    this.#tempDir = join(dir, 'tmp');
  }

  /** Makes the directories, for the owner's eyes only: code may hold what is nobody's business. */
  make(): void {
    for (const dir of [this.#dir, this.#blobsDir, this.#partsDir, this.#tempDir]) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
    }
    flush(this.#dir);
  }

  /** Whatever is there was being written when the last server died. Returns how many there were. */
  clearTemp(): number {
    const names = this.temps();
    for (const name of names) rmSync(join(this.#tempDir, name), { force: true });
    return names.length;
  }

  /**
   * Room that is kept for the index of a full disk: deleting is writing, too. Made again whenever there is
   * room for it.
   */
  keepReserve(): void {
    const path = join(this.#dir, RESERVE_FILE);
    if (existsSync(path)) return;
    try {
      // Random: a file system that compresses would keep no room for zeros.
      writeFileSync(path, randomBytes(RESERVE_BYTES), { mode: 0o600 });
    } catch (error) {
      rmSync(path, { force: true });
      if (errnoOf(error) !== 'ENOSPC' && errnoOf(error) !== 'EDQUOT') throw error;
    }
  }

  /** False if it was given up before. */
  giveUpReserve(): boolean {
    const path = join(this.#dir, RESERVE_FILE);
    const there = existsSync(path);
    rmSync(path, { force: true });
    return there;
  }

  async temp(): Promise<TempFile> {
    const path = join(this.#tempDir, randomUUID());
    return new TempFile(path, await open(path, 'wx', 0o600));
  }

  path(sha256: string): string {
    return join(this.#blobsDir, sha256);
  }

  partPath(name: string): string {
    return join(this.#partsDir, name);
  }

  /** The file is flushed. Whatever had that name had the same bytes, or was damaged. */
  promote(file: TempFile, sha256: string): void {
    renameSync(file.path, this.path(sha256));
    file.moved();
  }

  promotePart(file: TempFile, name: string): void {
    renameSync(file.path, this.partPath(name));
    file.moved();
    flush(this.#partsDir);
  }

  /** Makes the names of new blobs outlast a power cut. */
  flushNames(): void {
    flush(this.#blobsDir);
  }

  remove(sha256: string): void {
    unlinkIfThere(this.path(sha256));
  }

  removePart(name: string): void {
    unlinkIfThere(this.partPath(name));
  }

  names(): string[] {
    return namesIn(this.#blobsDir);
  }

  parts(): string[] {
    return namesIn(this.#partsDir);
  }

  temps(): string[] {
    return namesIn(this.#tempDir);
  }

  tempPath(name: string): string {
    return join(this.#tempDir, name);
  }
}

/** A file that is being written, and goes unless it is moved to its place. */
export class TempFile {
  readonly path: string;
  readonly handle: FileHandle;
  #moved = false;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  moved(): void {
    this.#moved = true;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.handle.close();
    if (this.#moved) return;
    await unlink(this.path).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
    });
  }
}

function namesIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function flush(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
