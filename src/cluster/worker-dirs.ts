import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';
import { giveToOwnerOf } from '../lib/give-to-owner.ts';
import { secretDirs } from './secret-store.ts';

/**
 * Makes the directories that a worker writes to, so that a hand-written configuration needs no
 * cluster around it. The registry is made as well unless its parent is missing: then its path is a
 * typing error, and an empty registry in a strange place would hide that.
 */
export function prepareWorkerDirs(settings: WorkerSettings): void {
  for (const dir of [settings.worker_dir, settings.logs_dir, settings.base_dir]) make(dir, { recursive: true });
  // Sandboxes list it as other users.
  if (make(settings.packages_dir, { recursive: true })) chmodSync(settings.packages_dir, 0o755);
  if (!existsSync(settings.registry_dir)) make(settings.registry_dir, { recursive: false });
  // Empty ones can be watched; a configuration without a cluster around it has none, and needs none.
  if (!existsSync(dirname(settings.secrets_dir))) return;
  // The owner's, whoever runs the worker: a later one may not be root.
  for (const dir of secretDirs(settings.secrets_dir))
    if (make(dir, { recursive: true })) giveToOwnerOf(dirname(dir), dir);
}

/** Whether it was not there before. */
function make(dir: string, { recursive }: { recursive: boolean }): boolean {
  try {
    return mkdirSync(dir, { recursive, mode: 0o700 }) !== undefined;
  } catch (error) {
    throw new Failure('config-invalid', `can not make ${dir}: ${errnoWords(error)}`, { cause: error });
  }
}
