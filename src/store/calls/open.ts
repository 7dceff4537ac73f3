/** The calls that a worker keeps: one file of its own, written by nobody else. */
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { giveToOwnerOf } from '../../lib/give-to-owner.ts';
import { openDatabase } from '../database.ts';
import { keepOp } from './keep.ts';
import { MIGRATIONS } from './schema.ts';
import { findCalls, type ListWish, listCalls } from './views.ts';

export interface CallsOptions {
  path: string;
  /** Calls of each lambda that are kept: its last ones. */
  keptMax: number;
  /** Bytes of all of them; the oldest go first. */
  bytesMax: number;
}

const WHAT = 'the file of the calls of a worker';

/** Makes it if it is not there. Throws Failure as `openDatabase` does. */
export async function openCalls(options: CallsOptions) {
  makeFile(options.path);
  const database = await openDatabase({ path: options.path, what: WHAT, migrations: MIGRATIONS });
  // What a power cut takes is the last second's: nobody was promised it, and a flush for each is not worth it.
  database.exec('PRAGMA synchronous = NORMAL');
  const ops = {
    keep: keepOp(database, options),
    list: { reads: true, run: (wish: ListWish) => listCalls(database, wish) },
    find: { reads: true, run: ({ idPrefix }: { idPrefix: string }) => findCalls(database, idPrefix) },
  };
  return { database, ops };
}

/** To look into it, whether its worker runs or not. Throws Failure as `openDatabase` does. */
export function readCalls(path: string) {
  return openDatabase({ path, what: WHAT, migrations: MIGRATIONS, readonly: true });
}

/** Events may be secret: it is for the cluster's owner only, whoever runs the worker. */
function makeFile(path: string): void {
  const fd = openSync(path, 'a', 0o600);
  giveToOwnerOf(dirname(path), fd);
  closeSync(fd);
}
