/** What is used of better-sqlite3, which brings no types. */
declare module 'better-sqlite3' {
  export interface Statement {
    get(...values: unknown[]): unknown;
    all(...values: unknown[]): unknown[];
    run(...values: unknown[]): { changes: number; lastInsertRowid: number };
    pluck(): this;
  }

  export interface Transaction<T> {
    (): T;
    immediate(): T;
  }

  class Sqlite {
    constructor(path: string, options?: { readonly?: boolean; fileMustExist?: boolean; timeout?: number });
    readonly inTransaction: boolean;
    prepare(sql: string): Statement;
    exec(sql: string): this;
    /** Within another one it is a savepoint. */
    transaction<T>(work: () => T): Transaction<T>;
    close(): this;
  }

  // biome-ignore lint/style/noDefaultExport: that is how the package has it
  export { Sqlite as default };
}
