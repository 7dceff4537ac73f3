/** Reads what a lambda's directory holds, as data: what a snapshot will copy and when it must be made anew. */
import { lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { workSlices } from '../lib/work-slices.ts';
import { SLICE_MS_MAX, TREE_BYTES_MAX, TREE_DEPTH_MAX, TREE_ENTRIES_MAX } from './limits.ts';

/** Paths are relative to the tree's root; a directory comes before what it holds. */
export type TreeEntry =
  | { kind: 'directory'; path: string }
  | { kind: 'file'; path: string; executable: boolean; bytes: number }
  /** `target` is relative and stays inside the tree. */
  | { kind: 'link'; path: string; target: string };

export interface Tree {
  /** Absolute and free of links. */
  root: string;
  entries: readonly TreeEntry[];
  /** Equal for two listings between which nothing has changed, as far as file times can tell. */
  signature: string;
  /** Unix time in milliseconds of the newest change to any entry. */
  changedMs: number;
}

/** A file or directory vanished between two steps: somebody is at work there, look again. */
/** Tells whether a file, or a link, lies at a path. */
export function fileLookup({ entries }: Tree): (path: string) => boolean {
  const files = new Set(entries.filter(({ kind }) => kind !== 'directory').map(({ path }) => path));
  return (path) => files.has(path);
}

export class TreeChanged extends Error {
  override readonly name = 'TreeChanged';
}

/**
 * Lists the tree. `onDirectory` is called with each directory's absolute path before it is read, so
 * that a watcher laid there misses nothing.
 */
export async function listTree(root: string, onDirectory: (path: string) => void): Promise<Tree> {
  const listing = new Listing(root);
  const pause = workSlices(SLICE_MS_MAX);
  const pending: { path: string; depth: number }[] = [{ path: '', depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, depth } = next;
    if (depth > TREE_DEPTH_MAX) throw invalid(`directories are nested more than ${TREE_DEPTH_MAX} deep at ${path}`);
    onDirectory(join(root, path));
    for (const name of listing.names(path)) {
      const child = path === '' ? name : `${path}/${name}`;
      if (listing.add(child) === 'directory') pending.push({ path: child, depth: depth + 1 });
      const rest = pause();
      if (rest !== undefined) await rest;
    }
  }
  return listing.tree();
}

/** Whether something so named is left out of snapshots: it is no code, and it changes all the time. */
export function isLeftOut(name: string): boolean {
  return LEFT_OUT.has(name) || EDITOR_FILE.test(name);
}

const LEFT_OUT = new Set(['__pycache__', '.git']);
/** Emacs keeps a dangling link `.#name` while one edits, Vim a `.name.swp` that it rewrites every few seconds. */
const EDITOR_FILE = /^\.#|^\..*\.sw[a-p]$/;

class Listing {
  readonly #root: string;
  readonly #entries: TreeEntry[] = [];
  #signature = '';
  #bytes = 0;
  #changedNs = 0n;

  constructor(root: string) {
    this.#root = root;
  }

  tree(): Tree {
    const changedMs = Number(this.#changedNs / 1_000_000n);
    return { root: this.#root, entries: this.#entries, signature: this.#signature, changedMs };
  }

  names(path: string): string[] {
    const names = watchedCall(path, () => readdirSync(join(this.#root, path)));
    return names.filter((name) => !isLeftOut(name)).sort();
  }

  add(path: string): TreeEntry['kind'] {
    if (this.#entries.length >= TREE_ENTRIES_MAX) throw invalid(`it has more than ${TREE_ENTRIES_MAX} files`);
    // Node reads names that are not UTF-8 with this mark in place of the bytes, and cannot open them by it.
    if (path.includes('\u{FFFD}')) throw invalid(`the name of ${path} is not UTF-8`);
    const stat = watchedCall(path, () => lstatSync(join(this.#root, path), { bigint: true }));
    if (stat.ctimeNs > this.#changedNs) this.#changedNs = stat.ctimeNs;
    const stamp = `${stat.dev}:${stat.ino}:${stat.mode}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
    let entry: TreeEntry;
    if (stat.isDirectory()) entry = { kind: 'directory', path };
    else if (stat.isFile()) entry = this.#file(path, Number(stat.mode), Number(stat.size));
    else if (stat.isSymbolicLink()) entry = { kind: 'link', path, target: linkTarget(this.#root, path) };
    else throw invalid(`${path} is a socket, a pipe or a device`);
    this.#entries.push(entry);
    // A directory's times change with what is left out of it (`__pycache__`); its other entries speak for themselves.
    this.#signature += entry.kind === 'directory' ? `${path}/\n` : `${path} ${stamp}\n`;
    return entry.kind;
  }

  #file(path: string, mode: number, bytes: number): TreeEntry {
    this.#bytes += bytes;
    if (this.#bytes > TREE_BYTES_MAX) throw invalid(`it is larger than ${TREE_BYTES_MAX / 1024 / 1024} MiB`);
    return { kind: 'file', path, executable: (mode & 0o100) !== 0, bytes };
  }
}

/**
 * Where a link leads, rewritten to the shortest relative path: the lambda's directory has another
 * name inside the sandbox, where `/srv/registry/hello/x` and `../hello/x` lead nowhere.
 */
function linkTarget(root: string, path: string): string {
  const at = join(root, path);
  const text = watchedCall(path, () => readlinkSync(at));
  let target: string;
  try {
    target = realpathSync(at);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ELOOP') throw error;
    target = resolve(dirname(at), text);
  }
  if (target !== root && !target.startsWith(root + sep)) {
    throw invalid(`the link ${path} leads outside of it, to ${text}; put a copy there instead`);
  }
  return relative(dirname(at), target) || '.';
}

/** What a system call on an entry's failure means for the listing. */
function watchedCall<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'EINVAL') throw new TreeChanged(path, { cause: error });
    if (errno === 'EACCES' || errno === 'EPERM') throw invalid(`the worker may not read ${path || 'it'}`, error);
    throw error;
  }
}

function invalid(problem: string, cause?: unknown): Failure {
  return new Failure('lambda-invalid', problem, { cause });
}
