/** The SQLite file that says what is stored: opened durably, and brought to the newest schema. */
import type Sqlite from 'better-sqlite3';
import { Failure } from '../../config/failure.ts';
import { errnoOf } from '../../lib/errno.ts';
import { DATABASE_WAIT_MS } from './limits.ts';
import { MIGRATIONS } from './schema.ts';

export type Database = Sqlite;

export interface DatabaseOptions {
  /** It must be there, and nothing is written. */
  readonly?: boolean;
}

/** Throws Failure `machine-unfit` if there is no SQLite, `config-invalid` if the file is not ours. */
export async function openDatabase(path: string, { readonly = false }: DatabaseOptions = {}): Promise<Database> {
  const Driver = await loadDriver();
  let database: Database | undefined;
  try {
    database = new Driver(path, { readonly, fileMustExist: readonly, timeout: DATABASE_WAIT_MS });
    // A commit has reached the disk before anybody hears of it; readers never wait for a writer.
    if (!readonly) database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    migrate(database, path, readonly);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof Failure) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('config-invalid', `can not open the registry's index ${path}: ${reason}`, { cause: error });
  }
}

/** Whether it failed because there is no room on the disk. */
export function isDiskFull(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL';
}

async function loadDriver(): Promise<typeof Sqlite> {
  try {
    const { default: Driver } = await import('better-sqlite3');
    // The compiled half is loaded with the first database only.
    new Driver(':memory:').close();
    return Driver;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Failure('machine-unfit', 'the registry keeps its index in SQLite, and better-sqlite3 can not be loaded', {
      cause: error,
      problems: [`${reason}`, 'mend it: rm -f node_modules/.sqlite-gave-up && ./quickstart/deps.sh'],
    });
  }
}

function migrate(database: Database, path: string, readonly: boolean): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new Failure('config-invalid', `${path} was written by a newer version of this program`);
  }
  if (version === MIGRATIONS.length) return;
  if (readonly) throw new Failure('config-invalid', `${path} was written by an older version; start the registry once`);
  database
    .transaction(() => {
      for (const script of MIGRATIONS.slice(version)) database.exec(script);
      database.pragma(`user_version = ${MIGRATIONS.length}`);
    })
    .immediate();
}
