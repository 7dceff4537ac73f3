/** The Node that lambdas in JavaScript run: the base's own, or else the one that runs this program. */
import { realpathSync } from 'node:fs';
import { insideRoot } from '../lib/inside-root.ts';
import type { Base } from './base.ts';

/** `path` inside; `source` is the host's file that is to be seen there, null if the base has it there itself. */
export interface NodeProgram {
  path: string;
  source: string | null;
}

/** What sandboxes with this machine as their base see of it. */
const VISIBLE = '/usr/';
const PLACES = ['/usr/local/bin/node', '/usr/bin/node'];
/** In place of the base's; the libraries that it needs come from there all the same. */
const LENT = '/runtime/node';

export function findNode(base: Base, own = process.execPath): NodeProgram {
  const real = realpathSync(own);
  const lent = { path: LENT, source: real };
  if (base.kind === 'host') return real.startsWith(VISIBLE) ? { path: real, source: null } : lent;
  for (const place of PLACES) {
    const found = insideRoot(base.path, place);
    if (found !== undefined) return { path: found.slice(base.path.replace(/\/+$/, '').length), source: null };
  }
  return lent;
}
