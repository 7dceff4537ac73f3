/** What the driver makes stays until its thread ends: see src/store/driver.ts. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type Database, openDatabase } from '../../../src/store/database.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

async function made(): Promise<WeakRef<object>[]> {
  const path = ':memory:';
  const database: Database = await openDatabase({ path, what: 'a test', migrations: ['CREATE TABLE a (b)'] });
  const statement = database.prepare('SELECT count(*) FROM a');
  expect(statement.pluck().get()).toBe(0);
  database.close();
  return [new WeakRef(database), new WeakRef(statement), new WeakRef({ another: 'object' })];
}

test('databases and statements are not collected, whoever has forgotten them', async () => {
  const [database, statement, other] = await made();
  // What a WeakRef was made of stays until the turn is over.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  expect(other?.deref()).toBeUndefined();
  expect(database?.deref()).toBeDefined();
  expect(statement?.deref()).toBeDefined();
});
