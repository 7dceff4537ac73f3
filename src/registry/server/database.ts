/** The SQLite file that says what is stored. */
import { type Database, openDatabase } from '../../store/database.ts';
import { MIGRATIONS } from './schema.ts';

export interface IndexOptions {
  /** It must be there, and nothing is written. */
  readonly?: boolean;
}

/** Throws Failure `machine-unfit` if there is no SQLite, `config-invalid` if the file is not ours. */
export function openIndex(path: string, { readonly = false }: IndexOptions = {}): Promise<Database> {
  return openDatabase({ path, what: "the registry's index", migrations: MIGRATIONS, readonly });
}
