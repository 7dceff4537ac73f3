/** One directory out of several unpacked wheels, made of hard links: a file of a wheel is the same file in every set. */
import { chmodSync, linkSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { workSlices } from '../lib/work-slices.ts';
import { SLICE_MS_MAX } from './limits.ts';

/**
 * Fills the new directory `into`. Two wheels may bring the same path (a stray `tests/__init__.py`): the first has it,
 * in the order of `trees`. Returns such paths.
 */
export async function mergeTrees(trees: readonly string[], into: string): Promise<string[]> {
  const pause = workSlices(SLICE_MS_MAX);
  const taken: string[] = [];
  makeDir(into);
  for (const tree of trees) {
    const waiting = ['.'];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      for (const entry of readdirSync(join(tree, at), { withFileTypes: true })) {
        const path = join(at, entry.name);
        if (entry.isDirectory()) {
          waiting.push(path);
          if (!made(() => makeDir(join(into, path)))) continue;
        } else if (!made(() => linkSync(join(tree, path), join(into, path)))) taken.push(path);
        const rest = pause();
        if (rest !== undefined) await rest;
      }
    }
  }
  return taken;
}

/** False if something is there already. */
function made(make: () => void): boolean {
  try {
    make();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The mode is set apart from the making, because the umask has a say in the latter. */
function makeDir(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o755);
}
