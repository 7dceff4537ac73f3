/**
 * The memory of all sandboxes and zygotes of a worker together, as the kernel counts it in their common
 * cgroup: two small files, instead of one for each sandbox.
 */
import { readFileSync } from 'node:fs';

/** Where the kernel counts; readable by everyone. */
export interface MemoryFiles {
  /** One number: bytes charged. */
  usage: string;
  /** Lines `name value`. */
  stat: string;
}

/** v1 says `total_` of a group and all below it; on v2 every number is of that kind. */
const IDLE_CACHE = /^(?:total_inactive_file|inactive_file) (\d+)$/gm;

/** Bytes in use, without the file cache that the kernel would drop first; undefined once the cgroup has gone. */
export function memoryInUse(files: MemoryFiles): number | undefined {
  try {
    const charged = Number(readFileSync(files.usage, 'latin1'));
    // v1 lists both names, its own group's first: the last is the one that counts.
    const idleCache = [...readFileSync(files.stat, 'latin1').matchAll(IDLE_CACHE)].at(-1)?.[1] ?? 0;
    return Math.max(0, charged - Number(idleCache));
  } catch (error) {
    // A spawner that died took its cgroups along.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENODEV') {
      return undefined;
    }
    throw error;
  }
}
