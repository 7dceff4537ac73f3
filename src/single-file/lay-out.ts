/**
 * Writes the program that a single file holds into a directory of its own, whose name says what is in it. It appears
 * there whole or not at all, however many begin at once; whose it is and who may write there is looked at each time,
 * because what lies there is run, by root too.
 */
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Contents } from './place.ts';

export interface LayOutOrder {
  contents: Contents;
  /** The bytes of a file of `contents`. */
  read: (path: string) => Uint8Array;
  /** This very file, which is a Node as well. */
  executable: string;
  /** All builds' directory. */
  cache: string;
}

/**
 * What tells Node that it carries a program; the digit behind it, whether it shall run that. In two parts: a second
 * place with all of it, such as this one, would keep the tools from finding Node's own.
 */
const FUSE = ['NODE_SEA_FUSE', 'fce680ab2cc467b6e072b8b5df1996b2:'].join('_');
const UNUSED_MS_MAX = 30 * 24 * 3600 * 1000;

/** The directory, complete. The umask must let others read: sandboxes run as other users. Throws Error with what is wrong and what to do. */
export function layOut({ contents, read, executable, cache }: LayOutOrder): string {
  const dir = join(cache, contents.digest);
  if (!existsSync(dir)) writeAll(dir, { contents, read, executable, cache });
  // Who may write above it can put something else into its place.
  for (const path of [cache, dir]) checkOwner(path);
  checkAbove(cache);
  mend(dir, { contents, read, executable, cache });
  touch(dir);
  return dir;
}

/** A machine that lost its power may have kept the names of files and not their bytes; and somebody may have tidied up. */
function mend(dir: string, { contents, read, executable, cache }: LayOutOrder): void {
  const broken = contents.files.filter(({ path, bytes }) => sizeOf(join(dir, path)) !== bytes);
  const hasNode = sizeOf(join(dir, 'node')) === sizeOf(executable);
  if (broken.length === 0 && hasNode) return;
  const draft = makeDraft(cache);
  try {
    for (const { path, mode } of broken) {
      put(join(draft, path), read(path), mode);
      mkdirSync(dirname(join(dir, path)), { recursive: true, mode: 0o755 });
      renameSync(join(draft, path), join(dir, path));
    }
    if (!hasNode) {
      makeNode(executable, join(draft, 'node'));
      renameSync(join(draft, 'node'), join(dir, 'node'));
    }
  } catch (error) {
    throw new Error(`${dir} is damaged and can not be mended: ${(error as Error).message}; remove it`);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Undefined if it is not there, or no file. */
function sizeOf(path: string): number | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true ? found.size : undefined;
}

/** It is in use. Where that can not be written down, nothing is removed for being unused either. */
function touch(dir: string): void {
  const now = new Date();
  try {
    utimesSync(dir, now, now);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw error;
  }
}

function writeAll(dir: string, { contents, read, executable, cache }: LayOutOrder): void {
  const draft = makeDraft(cache);
  try {
    for (const { path, mode } of contents.files) put(join(draft, path), read(path), mode);
    makeNode(executable, join(draft, 'node'));
    chmodSync(draft, 0o755);
    renameSync(draft, dir);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Somebody else was quicker, with the same files.
    if (existsSync(dir)) return;
    throw new Error(`the program can not be laid out in ${cache}: ${(error as Error).message}; set XDG_CACHE_HOME`);
  }
  dropUnused(cache, dir);
}

function makeDraft(cache: string): string {
  try {
    mkdirSync(cache, { recursive: true, mode: 0o755 });
    checkOwner(cache);
    checkAbove(cache);
    return mkdtempSync(join(cache, '.new-'));
  } catch (error) {
    throw new Error(`no program can be laid out in ${cache}: ${(error as Error).message}; set XDG_CACHE_HOME`);
  }
}

function put(path: string, bytes: Uint8Array, mode: number): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, bytes, { flag: 'wx', mode });
}

/** A plain Node is this file that does not know of what it carries. */
function makeNode(executable: string, path: string): void {
  copyFileSync(executable, path, constants.COPYFILE_FICLONE);
  const bytes = readFileSync(path);
  const digit = bytes.indexOf(FUSE) + FUSE.length;
  if (digit < FUSE.length || bytes[digit] !== 0x31)
    throw new Error(`${executable} does not say that it carries a program`);
  bytes[digit] = 0x30;
  writeFileSync(path, bytes);
  chmodSync(path, 0o755);
}

function checkOwner(path: string): void {
  const { uid, mode } = lstatSync(path);
  const own = process.geteuid?.();
  if (uid !== own) throw new Error(`${path} belongs to user ${uid}, not to ${own}: what lies there will not be run`);
  if ((mode & 0o022) !== 0)
    throw new Error(`others may write to ${path}: what lies there will not be run; chmod go-w it`);
}

/** Directories above may belong to root, too; and a sticky one, such as /tmp, lets nobody else move what is in it. */
function checkAbove(cache: string): void {
  const own = process.geteuid?.();
  for (let path = dirname(realpathSync(cache)); ; path = dirname(path)) {
    const { uid, mode } = lstatSync(path);
    if (uid !== 0 && uid !== own)
      throw new Error(`${path} belongs to user ${uid}, who could replace what is run from ${cache}`);
    if ((mode & 0o1002) === 0o002)
      throw new Error(`others may write to ${path}, and replace what is run from ${cache}`);
    if (path === '/') return;
  }
}

/** Other builds' directories that nobody has begun in for a month, and from which nothing runs. */
function dropUnused(cache: string, dir: string): void {
  const running = runningPrograms();
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (path === dir || running.has(join(path, 'node'))) continue;
    if (Date.now() - lstatSync(path).mtimeMs > UNUSED_MS_MAX) rmSync(path, { recursive: true, force: true });
  }
}

/** Files that processes run which this user may look at; nobody else may write here, or runs what lies here. */
function runningPrograms(): Set<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return new Set(pids.flatMap((pid) => programOf(pid)));
}

function programOf(pid: string): string[] {
  try {
    return [readlinkSync(`/proc/${pid}/exe`)];
  } catch {
    return []; // It has ended, is the kernel's own, or another user's.
  }
}
