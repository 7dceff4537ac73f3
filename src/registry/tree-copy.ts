/** Copies a listed tree with normalised modes, and digests what it copied on the way. */
import { createHash, type Hash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { workSlices } from '../lib/work-slices.ts';
import { SLICE_MS_MAX } from './limits.ts';
import { type Tree, TreeChanged, type TreeEntry } from './tree.ts';

const CHUNK_BYTES = 256 * 1024;
/** 128 bits: nobody finds two trees with the same by accident, and paths stay short. */
const DIGEST_HEX_LENGTH = 32;
const DIRECTORY_MODE = 0o755;

/** Fills the new directory `into`; returns the digest. Throws TreeChanged if a file is not what was listed. */
export async function copyTree(tree: Tree, into: string): Promise<string> {
  const hash = createHash('sha256');
  const pause = workSlices(SLICE_MS_MAX);
  makeDirectory(into);
  for (const entry of tree.entries) {
    hash.update(describe(entry));
    switch (entry.kind) {
      case 'directory':
        makeDirectory(join(into, entry.path));
        break;
      case 'link':
        symlinkSync(entry.target, join(into, entry.path));
        break;
      case 'file':
        await copyFile({ tree, entry, into, hash, pause });
        break;
    }
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return hash.digest('hex').slice(0, DIGEST_HEX_LENGTH);
}

/** Unambiguous: a name cannot hold the zero byte, and a file's length comes before its bytes. */
function describe(entry: TreeEntry): string {
  switch (entry.kind) {
    case 'directory':
      return `directory\0${entry.path}\0`;
    case 'link':
      return `link\0${entry.path}\0${entry.target}\0`;
    case 'file':
      return `file\0${entry.path}\0${entry.executable ? 'x' : '-'}${entry.bytes}\0`;
  }
}

interface FileCopy {
  tree: Tree;
  entry: TreeEntry & { kind: 'file' };
  into: string;
  hash: Hash;
  pause: () => Promise<void> | undefined;
}

async function copyFile({ tree, entry, into, hash, pause }: FileCopy): Promise<void> {
  const from = openListed(join(tree.root, entry.path), entry);
  try {
    const to = openSync(join(into, entry.path), 'wx', 0o600);
    try {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, entry.bytes + 1));
      let copied = 0;
      for (;;) {
        const bytes = readSync(from, buffer, 0, buffer.length, null);
        if (bytes === 0) break;
        copied += bytes;
        if (copied > entry.bytes) throw new TreeChanged(entry.path);
        const piece = buffer.subarray(0, bytes);
        hash.update(piece);
        for (let at = 0; at < bytes; ) at += writeSync(to, piece, at);
        const rest = pause();
        if (rest !== undefined) await rest;
      }
      if (copied !== entry.bytes) throw new TreeChanged(entry.path);
      fchmodSync(to, entry.executable ? 0o755 : 0o644);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

/** Opens what was listed as a file. By now it may be a link to elsewhere, or a pipe that would block for ever. */
function openListed(path: string, entry: TreeEntry): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    switch (errnoOf(error)) {
      case 'EACCES':
        throw new Failure('lambda-invalid', `the worker may not read ${entry.path}`, { cause: error });
      case 'ENOENT':
      case 'ENOTDIR':
      case 'ELOOP':
      case 'ENXIO':
        throw new TreeChanged(entry.path, { cause: error });
      default:
        throw error;
    }
  }
  // A directory on the way may have become a link to elsewhere, and be itself again when all is listed once more.
  if (fstatSync(fd).isFile() && readlinkSync(`/proc/self/fd/${fd}`) === path) return fd;
  closeSync(fd);
  throw new TreeChanged(entry.path);
}

/** The mode is set apart from the making, because the umask has a say in the latter. */
function makeDirectory(path: string): void {
  mkdirSync(path);
  chmodSync(path, DIRECTORY_MODE);
}
