/**
 * Pid files that can not lie. A worker writes its pid and holds an exclusive flock on the file for
 * as long as it lives; the kernel lets go of it however the worker ends, power cuts included. So a
 * locked file names a living worker, and a number in an unlocked one means nothing: a recycled pid
 * is never signalled.
 *
 * Node has no flock(2), but a lock belongs to the open file description: `flock <fd>` of
 * util-linux locks a descriptor that it inherits, exits, and the lock stays with our copy. Node
 * opens files close-on-exec, so no other child keeps it alive.
 *
 * Whoever unlinks a pid file holds its lock, and whoever has got the lock checks that the path
 * still leads to the locked file: two starts, or a start and a kill, can not both win.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { Failure } from '../config/failure.ts';
import { PID_LOCK_WAIT_S } from '../config/limits.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { shellQuote } from '../lib/shell-quote.ts';

export interface HeldPidFile {
  /**
   * Removes the file. The lock stays until this process has ended, for those who wait for that.
   * Idempotent.
   */
  release(): void;
}

/** Locks the file and writes this process's pid. Throws Failure `conflict` if somebody holds it. */
export function holdPidFile(path: string): HeldPidFile {
  const fd = lockedFile(path);
  ftruncateSync(fd);
  writeSync(fd, String(process.pid), 0);
  return {
    release() {
      if (isSameFile(path, fd)) rmSync(path, { force: true });
    },
  };
}

/** The pid of the process that holds the file; undefined if nobody does. */
export function runningPid(path: string): number | undefined {
  const number = readPid(path);
  if (number === undefined) return undefined;
  // Nobody by that pid: cheaper than asking about the lock, and certain.
  if (number !== 'unreadable' && !isAlive(number)) return undefined;
  if (!isLocked(path)) return undefined;
  if (number !== 'unreadable') return number;
  throw new Failure(
    'worker-failed',
    `${path} is held by a process but does not say which; \`fuser ${shellQuote(path)}\` does`,
  );
}

/** A pid file that somebody may hold, kept open: a wait for its holder works even after the holder removed it. */
export interface WatchedPidFile {
  /** Resolves once nobody holds it: true; false if the deadline passes first. flock's own wait: it ends in the instant the holder does. */
  free(waitMs: number): Promise<boolean>;
  close(): void;
}

export function watchPidFile(path: string): WatchedPidFile {
  const fd = openIfThere(path);
  return {
    free: (waitMs) => (fd === undefined ? Promise.resolve(true) : lockWithin(fd, waitMs)),
    close() {
      if (fd !== undefined) closeSync(fd);
    },
  };
}

/** Removes the file unless somebody holds it. */
export async function removeUnheld(path: string): Promise<void> {
  const fd = openIfThere(path);
  if (fd === undefined) return;
  try {
    if ((await lockWithin(fd, 0)) && isSameFile(path, fd)) rmSync(path, { force: true });
  } finally {
    closeSync(fd);
  }
}

function lockedFile(path: string): number {
  for (;;) {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    if (!flock(fd, ['-x', '-w', String(PID_LOCK_WAIT_S)])) {
      closeSync(fd);
      const number = readPid(path);
      throw new Failure('conflict', `${path} is held by process ${number}: this worker runs already`);
    }
    if (isSameFile(path, fd)) return fd;
    closeSync(fd); // It was removed between our open and our lock: again, with the new one.
  }
}

function isLocked(path: string): boolean {
  const fd = openIfThere(path);
  if (fd === undefined) return false;
  try {
    return isListedAsLocked(fd) || !flock(fd, ['-s', '-n']);
  } finally {
    closeSync(fd);
  }
}

/**
 * Whether /proc/locks knows an flock on this file. That costs 0.1 ms, not the 5 of a process, but
 * a missing line proves nothing: a container does not see locks that a process which has ended
 * took, and overlay file systems have other numbers there.
 */
function isListedAsLocked(fd: number): boolean {
  const { dev, ino } = fstatSync(fd);
  // The kernel's 12:20 split of a device number, as glibc's gnu_dev_major and minor undo it.
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  const hex = (part: number) => part.toString(16).padStart(2, '0');
  const target = ` ${hex(major)}:${hex(minor)}:${ino} `;
  try {
    return readFileSync('/proc/locks', 'latin1')
      .split('\n')
      .some((line) => line.includes(' FLOCK ') && line.includes(target) && !line.includes('->'));
  } catch {
    return false;
  }
}

function readPid(path: string): number | 'unreadable' | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new Failure('worker-failed', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
  return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : 'unreadable';
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** flock(1) on a descriptor of ours: true if it got the lock. */
function flock(fd: number, options: readonly string[]): boolean {
  const done = spawnSync('flock', [...options, '3'], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  if (done.error !== undefined) throw flockMissing(done.error);
  if (done.status === 0 || done.status === 1) return done.status === 0;
  throw new Failure('machine-unfit', `flock failed: ${done.stderr.toString().trim()}`);
}

function lockWithin(fd: number, waitMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const patience = waitMs > 0 ? ['-w', (waitMs / 1_000).toFixed(3)] : ['-n'];
    const child = spawn('flock', ['-x', ...patience, '3'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
    child.once('error', (error) => reject(flockMissing(error)));
    child.once('exit', (status) => resolve(status === 0));
  });
}

function flockMissing(cause: Error): Failure {
  return new Failure('machine-unfit', 'there is no `flock` on this machine; install util-linux', { cause });
}

function isSameFile(path: string, fd: number): boolean {
  try {
    const there = statSync(path);
    const ours = fstatSync(fd);
    return there.ino === ours.ino && there.dev === ours.dev;
  } catch {
    return false;
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new Failure('worker-failed', `can not open ${path}: ${errnoWords(error)}`, { cause: error });
  }
}
