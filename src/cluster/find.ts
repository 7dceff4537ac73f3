import { accessSync, constants, type Dirent, existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import { Layout } from './layout.ts';

/** How far below the current directory a cluster is looked for. */
const DEPTH_MAX = 2;

/** Directories that are large and hold no clusters. */
const SKIPPED = new Set(['node_modules', 'proc', 'sys', 'dev']);

export interface Wish {
  /** What `--cluster` said, if it was given. */
  given: string | undefined;
  /** `$ISLA_CLUSTER`. */
  fromEnvironment: string | undefined;
  /** Current directory. */
  cwd: string;
}

/**
 * The cluster that a command is about: the one that was named, else `$ISLA_CLUSTER`, else the
 * only one below the current directory. Throws Failure `cluster-missing`, or `usage` if several
 * could be meant.
 */
export function findCluster(wish: Wish): Layout {
  if (wish.given !== undefined) return named(wish.given, wish.cwd, '--cluster');
  if (wish.fromEnvironment) return named(wish.fromEnvironment, wish.cwd, 'ISLA_CLUSTER');
  if (isCluster(wish.cwd)) return new Layout(wish.cwd);
  const found = clustersBelow(wish.cwd, DEPTH_MAX).sort();
  if (found.length === 1) return new Layout(found[0] as string);
  if (found.length === 0) {
    throw new Failure(
      'cluster-missing',
      `there is no cluster below ${wish.cwd}; name one with --cluster=DIR, or make one with \`admin new --cluster=DIR\``,
    );
  }
  throw new Failure('usage', `there are ${found.length} clusters below ${wish.cwd}; choose one with --cluster`, {
    problems: found.map((dir) => `--cluster=${shellQuote(dir)}`),
  });
}

function named(path: string, cwd: string, source: string): Layout {
  if (path === '') throw new Failure('usage', `${source} is empty; give it the directory of a cluster`);
  const root = resolve(cwd, path);
  if (isCluster(root)) return new Layout(root);
  if (isClosed(root)) {
    throw new Failure('cluster-missing', `${root} can not be entered by this user; run this as its owner or as root`);
  }
  const what = existsSync(root) ? 'is not a cluster: it has no config/template.json' : 'does not exist';
  throw new Failure('cluster-missing', `${root} ${what}; \`admin new --cluster=DIR\` makes a cluster`);
}

function isCluster(dir: string): boolean {
  return existsSync(new Layout(dir).template);
}

/** A cluster is its owner's alone; to everybody else it looks as if it had no template. */
function isClosed(dir: string): boolean {
  try {
    accessSync(dir, constants.X_OK);
    return false;
  } catch (error) {
    return errnoOf(error) === 'EACCES';
  }
}

function clustersBelow(dir: string, depth: number): string[] {
  const found: string[] = [];
  for (const entry of entriesOf(dir)) {
    if (!entry.isDirectory() || entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
    const child = join(dir, entry.name);
    if (isCluster(child)) found.push(child);
    else if (depth > 1) found.push(...clustersBelow(child, depth - 1));
  }
  return found;
}

/** A directory that may not be read has no cluster for this user. */
function entriesOf(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch {
    return [];
  }
}
