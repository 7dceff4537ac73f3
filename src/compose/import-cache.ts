/** The import cache of one worker around its engine, if the settings want one. */
import { join } from 'node:path';
import type { WorkerSettings } from '../config/settings.ts';
import { ImportCache } from '../import-cache/import-cache.ts';
import type { Log } from '../lib/log.ts';
import { Subsets } from '../packages/subset.ts';
import type { Engine, ZygoteEngine } from '../sandbox/sandbox.ts';

/** The part of what all instances may take that zygotes with packages take at most, if nobody has said otherwise. */
const SHARE = 0.25;
const MB = 1024 * 1024;

export interface ImportCacheParts {
  engine: ZygoteEngine;
  /** What all instances may take together. */
  memoryBytesMax: number;
  log: Log;
}

export function withImportCache(settings: WorkerSettings, { engine, memoryBytesMax, log }: ImportCacheParts): Engine {
  if (settings.import_cache === 'off' || settings.zygotes_max === 0) return engine;
  const subsets = new Subsets(join(settings.worker_dir, 'zygote-packages'));
  return new ImportCache({
    engine,
    subset: (packages, members) => subsets.make(packages, members),
    zygotesMax: settings.zygotes_max,
    bytesMax: settings.zygotes_memory_mb === 0 ? memoryBytesMax * SHARE : settings.zygotes_memory_mb * MB,
    log,
  });
}
