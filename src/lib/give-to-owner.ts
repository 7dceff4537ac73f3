import { fchownSync, lchownSync, statSync } from 'node:fs';
import { errnoOf } from './errno.ts';

/**
 * Gives what was just made in a directory, by its path or as an open descriptor, to the directory's owner, as if
 * they had made it themselves. Does nothing unless we are root and they are not.
 */
export function giveToOwnerOf(dir: string, made: string | number): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(dir);
  if (uid === 0) return;
  try {
    if (typeof made === 'number') fchownSync(made, uid, gid);
    else lchownSync(made, uid, gid);
  } catch (error) {
    // The root of a container, or of another machine, may not know that owner: then it stays root's.
    if (errnoOf(error) !== 'EPERM' && errnoOf(error) !== 'EINVAL') throw error;
  }
}
