/** Puts what a lambda was granted where its container sees it: it alone can read it, and nobody can write it. */
import { chownSync, closeSync, constants, existsSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SECRET_BYTES_MAX } from '../../config/limits.ts';
import { errnoOf } from '../../lib/errno.ts';

export interface SecretsOrder {
  lambda: string;
  names: readonly string[];
  /** Holds `values/<name>` and `grants/<lambda>:<name>`. */
  from: string;
  into: string;
  /** Who may read them. */
  owner: number;
}

/** One that has gone since the worker looked is left out; the worker is about to end the instance. */
export function putSecrets({ lambda, names, from, into, owner }: SecretsOrder): void {
  // A version may read what its lambda may.
  const [granted = ''] = lambda.split('~');
  for (const name of names) {
    const value = existsSync(join(from, 'grants', `${granted}:${name}`)) ? read(join(from, 'values', name)) : undefined;
    if (value === undefined) continue;
    const path = join(into, name);
    writeFileSync(path, value, { mode: 0o400, flag: 'wx' });
    if (process.getuid?.() === 0) chownSync(path, owner, owner);
  }
}

function read(path: string): Buffer | undefined {
  let fd: number;
  try {
    // Not blocking: a pipe in the place of a file must not stop the worker.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size > SECRET_BYTES_MAX) {
      throw new Error(`the secret ${path} is no file of at most ${SECRET_BYTES_MAX} bytes`);
    }
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
