/**
 * SQLite's driver, whose objects are never collected before their thread ends.
 *
 * Since Node 24.19 the destructor of `node::ObjectWrap`, which better-sqlite3 12 is built on, ends the process if an
 * object is collected while no JavaScript runs. When its thread ends Node frees such objects itself. Version 13 is
 * built on Node-API and has no such fault, but needs Node 22. Statements are few here: a store prepares its own once.
 */
import type Sqlite from 'better-sqlite3';

/** Of this thread, for as long as it lives. */
const KEPT: object[] = [];

/** Rejects if there is no driver, or its compiled half can not be loaded. */
export async function loadDriver(): Promise<typeof Sqlite> {
  const { default: Driver } = await import('better-sqlite3');
  class Lasting extends Driver {
    constructor(...args: ConstructorParameters<typeof Sqlite>) {
      super(...args);
      KEPT.push(this);
    }

    override prepare(sql: string): ReturnType<Sqlite['prepare']> {
      const statement = super.prepare(sql);
      KEPT.push(statement);
      return statement;
    }
  }
  // The compiled half is loaded with the first database only.
  new Lasting(':memory:').close();
  return Lasting;
}
