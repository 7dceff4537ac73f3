/** A SQLite file: opened durably, and brought to its newest schema. */
import type Sqlite from 'better-sqlite3';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { loadDriver } from './driver.ts';

export type Database = Sqlite;

/** Longest wait for another process that writes to the same file, in milliseconds. */
export const DATABASE_WAIT_MS = 10_000;

export interface DatabaseOptions {
  path: string;
  /** What it is, in words: `the registry's index`. */
  what: string;
  /** Steps that each bring a file of the version before to the next. Steps that were in a release never change. */
  migrations: readonly string[];
  /** It must be there, and nothing is written. */
  readonly?: boolean;
}

/** Throws Failure `machine-unfit` if there is no SQLite, `config-invalid` if the file is not ours or can not be read. */
export async function openDatabase({ path, what, migrations, readonly = false }: DatabaseOptions): Promise<Database> {
  const Driver = await driverFor(what);
  let database: Database | undefined;
  try {
    database = new Driver(path, { readonly, fileMustExist: readonly, timeout: DATABASE_WAIT_MS });
    // A commit has reached the disk before anybody hears of it; readers never wait for a writer.
    if (!readonly) database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
    migrate(database, { path, migrations, readonly });
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof Failure) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('config-invalid', `can not open ${what} ${path}: ${reason}`, { cause: error });
  }
}

/** Whether it failed because there is no room on the disk. */
export function isDiskFull(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL';
}

/** Whether what is in the file is not what SQLite has written there. */
export function isDamage(error: unknown): boolean {
  const code = errnoOf(error);
  return code?.startsWith('SQLITE_CORRUPT') === true || code === 'SQLITE_NOTADB';
}

async function driverFor(what: string): Promise<typeof Sqlite> {
  try {
    return await loadDriver();
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Failure('machine-unfit', `${what} is kept in SQLite, and better-sqlite3 can not be loaded`, {
      cause: error,
      problems: [`${reason}`, 'mend it: rm -f node_modules/.sqlite-gave-up && ./quickstart/deps.sh'],
    });
  }
}

function migrate(database: Database, { path, migrations, readonly }: Omit<Required<DatabaseOptions>, 'what'>): void {
  if (versionOf(database) === migrations.length) return;
  if (readonly && versionOf(database) < migrations.length) {
    throw new Failure('config-invalid', `${path} was written by an older version; start what it belongs to once`);
  }
  database
    .transaction(() => {
      // Another process may have been quicker.
      const version = versionOf(database);
      if (version > migrations.length) {
        throw new Failure('config-invalid', `${path} was written by a newer version of this program`);
      }
      for (const script of migrations.slice(version)) database.exec(script);
      database.exec(`PRAGMA user_version = ${migrations.length}`);
    })
    .immediate();
}

function versionOf(database: Database): number {
  return database.prepare('PRAGMA user_version').pluck().get() as number;
}
