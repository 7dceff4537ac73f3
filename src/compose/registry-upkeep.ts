/** Looking after what the registry keeps, beside a server that runs or without one. */
import { existsSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { type Checkup, checkStore } from '../registry/server/fsck.ts';
import { type Collected, collectGarbage } from '../registry/server/gc.ts';

/** Throws Failure if there is nothing to look at, or if the index can not be opened. */
export async function checkRegistry(storeDir: string): Promise<Checkup> {
  mustExist(storeDir);
  return checkStore(storeDir, Date.now());
}

/** `keep` is how many versions each lambda keeps at least; all if it is undefined. */
export async function tidyRegistry(storeDir: string, keep: number | undefined): Promise<Collected> {
  mustExist(storeDir);
  return collectGarbage({ dir: storeDir, keep, nowMs: Date.now() });
}

function mustExist(storeDir: string): void {
  if (existsSync(storeDir)) return;
  throw new Failure('config-missing', `there is no ${storeDir}: this cluster has never had a registry of its own`);
}
