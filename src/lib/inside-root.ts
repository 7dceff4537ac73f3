import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** As the kernel's own limit. */
const LINKS_MAX = 40;

/**
 * Where a path leads for a process whose root is `root`: links are followed as that process would,
 * so that an absolute one never leads out. Undefined if there is nothing.
 */
export function insideRoot(root: string, path: string): string | undefined {
  const inside = followed(path, (name) => join(root, name));
  return inside === undefined ? undefined : join(root, inside);
}

/**
 * The same for a root that is put together: `hostPath` says where on this machine an absolute path without links lies,
 * undefined if that is not seen there. The answer is the path inside.
 */
export function followed(path: string, hostPath: (inside: string) => string | undefined): string | undefined {
  let parts = path.split('/').filter((part) => part !== '');
  let at = '/';
  let links = 0;
  while (parts.length > 0) {
    const part = parts.shift() as string;
    if (part === '.') continue;
    if (part === '..') {
      at = dirname(at);
      continue;
    }
    const next = join(at, part);
    const here = hostPath(next);
    const stats = here === undefined ? undefined : lstatSync(here, { throwIfNoEntry: false });
    if (here === undefined || stats === undefined) return undefined;
    if (!stats.isSymbolicLink()) {
      at = next;
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) return undefined;
    const goal = readlinkSync(here);
    if (goal.startsWith('/')) at = '/';
    parts = [...goal.split('/').filter((piece) => piece !== ''), ...parts];
  }
  return at;
}
