/** The queue of asynchronous calls: one file for all workers of a cluster. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../../config/failure.ts';
import { errnoWords } from '../../lib/errno.ts';
import { giveToOwnerOf } from '../../lib/give-to-owner.ts';
import { openDatabase } from '../database.ts';
import { addJobTo, intakeOps } from './intake.ts';
import { leaseOps } from './leases.ts';
import { scheduleOps } from './schedules.ts';
import { MIGRATIONS } from './schema.ts';
import { upkeepOps } from './upkeep.ts';
import { viewOps } from './views.ts';

export interface QueueOptions {
  path: string;
  /** Calls that may wait or run. */
  jobsMax: number;
  /** Bytes of their events together. Dead letters may hold as many again. */
  bytesMax: number;
  /** Dead letters that are kept; the oldest go. */
  deadMax: number;
}

/** Makes it if it is not there. Throws Failure as `openDatabase` does. */
export async function openQueue(options: QueueOptions) {
  makeFile(options.path);
  const database = await openDatabase({
    path: options.path,
    what: 'the queue of asynchronous calls',
    migrations: MIGRATIONS,
  });
  const addJob = addJobTo(database, options);
  const ops = {
    ...intakeOps(database, addJob),
    ...leaseOps(database),
    ...viewOps(database),
    ...upkeepOps(database, options),
    ...scheduleOps(database, addJob),
  };
  return { database, ops };
}

export type QueueOps = Awaited<ReturnType<typeof openQueue>>['ops'];

/** The cluster's owner reads it as well, whoever runs the worker. */
function makeFile(path: string): void {
  const dir = dirname(path);
  try {
    if (mkdirSync(dir, { recursive: true, mode: 0o700 }) !== undefined) giveToOwnerOf(dirname(dir), dir);
    const fd = openSync(path, 'a', 0o600);
    giveToOwnerOf(dir, fd);
    closeSync(fd);
  } catch (error) {
    throw new Failure('config-invalid', `can not make ${path}: ${errnoWords(error)}`, { cause: error });
  }
}
