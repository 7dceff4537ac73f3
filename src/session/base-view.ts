/** What sandboxes see of a base, as far as languages are looked for: spawner/root.py has the same lists. */
import { join } from 'node:path';
import { followed } from '../lib/inside-root.ts';
import type { BaseView } from './languages.ts';

/** Of this machine's own directories. */
const OF_HOST = new Set(['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']);
/** Of a root file system, what is never taken. */
const NEVER = [
  'dev',
  'handler',
  'host',
  'packages',
  'proc',
  'run',
  'runtime',
  'sys',
  'tmp',
  'boot',
  'home',
  'media',
  'mnt',
  'root',
];
const NEVER_FROM_BASE = new Set(NEVER);

/** `etcDir`: what stands in for this machine's /etc. */
export function viewOfHost(etcDir: string): BaseView {
  return view((path) => {
    const top = topOf(path);
    if (top === 'etc') return join(etcDir, path.slice('/etc'.length));
    return OF_HOST.has(top) ? path : undefined;
  });
}

/** `root`: a root file system. */
export function viewOfDirectory(root: string): BaseView {
  return view((path) => (NEVER_FROM_BASE.has(topOf(path)) ? undefined : join(root, path)));
}

function view(hostPath: (inside: string) => string | undefined): BaseView {
  return {
    resolve(path) {
      const inside = followed(path, hostPath);
      const host = inside === undefined ? undefined : hostPath(inside);
      return inside === undefined || host === undefined ? undefined : { inside, host };
    },
  };
}

function topOf(path: string): string {
  return path.split('/', 2)[1] ?? '';
}
