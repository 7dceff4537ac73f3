import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';

/**
 * Where tests that make and remove thousands of files put them: in memory if there is such a place.
 * ext4 looks at every recently deleted inode before it makes a file: twice the time and three times the
 * system time, for 4,200 changes to lambdas and as many copies.
 */
export function scratchDir(): string {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}
