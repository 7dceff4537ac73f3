import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { defaultSettings } from '../config/parse.ts';
import type { Settings } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import { ensureEtc } from './base.ts';
import { CLUSTER_DIRS, Layout } from './layout.ts';
import { formatSettings } from './template.ts';

export interface Created {
  layout: Layout;
  settings: Settings;
}

/**
 * Makes a cluster directory, whole or not at all: it is built beside its place under another name.
 * Synchronous on purpose, so that a signal can not end it half-way: handlers run afterwards.
 * Throws Failure `conflict` if something is there, `cluster-missing` if its parent is not.
 */
export function createCluster(root: string): Created {
  refuseUnfitPlace(root);
  const layout = new Layout(root);
  const settings = defaultSettings(root);
  let draft: string | undefined;
  try {
    draft = mkdtempSync(join(dirname(root), `.${basename(root)}.new.`));
    fill(new Layout(draft), settings);
    renameSync(draft, root);
  } catch (error) {
    if (draft !== undefined) rmSync(draft, { recursive: true, force: true });
    if (error instanceof Failure) throw error;
    throw new Failure('config-invalid', `can not make ${root}: ${errnoWords(error)}`, { cause: error });
  }
  return { layout, settings };
}

function refuseUnfitPlace(root: string): void {
  const parent = dirname(root);
  if (!isDirectory(parent)) {
    throw new Failure(
      'cluster-missing',
      `there is no directory ${parent} to make ${basename(root)} in; \`mkdir -p ${shellQuote(parent)}\``,
    );
  }
  if (lstatSync(root, { throwIfNoEntry: false }) !== undefined) {
    throw new Failure('conflict', `${root} exists already; choose another place`);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // Not there, or below something that is no directory.
  }
}

/**
 * Only the owner enters, as with OpenLambda: code, logs and scratch of all lambdas lie here, and
 * whoever can write the registry decides what runs. Sandboxes do not pass through these
 * directories; their mounts are attached from outside. Packages are attached as they are, and
 * sandboxes list them as other users, so that directory is open, behind the closed root.
 */
function fill(layout: Layout, settings: Settings): void {
  chmodSync(layout.root, 0o700);
  for (const name of CLUSTER_DIRS) {
    mkdirSync(join(layout.root, name));
    chmodSync(join(layout.root, name), name === 'packages' ? 0o755 : 0o700);
  }
  writeFileSync(layout.template, formatSettings(settings), { mode: 0o644 });
  ensureEtc(layout.baseDir);
}
