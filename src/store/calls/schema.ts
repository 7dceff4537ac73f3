/**
 * The tables of the calls that one worker keeps: its last ones as they were, and all of them as sums.
 *
 * `id` grows in the order in which they ended. What was too long to be kept whole is null, its length is not.
 * `usage` has a row for each day (UTC, counted from 1970), lambda and memory limit; its columns are what
 * clouds charge by.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    lambda TEXT NOT NULL,
    version TEXT,
    instance INTEGER,
    cold INTEGER,
    outcome TEXT NOT NULL,
    error_type TEXT,
    started_ms INTEGER NOT NULL,
    duration_ms REAL NOT NULL,
    queue_ms REAL,
    init_ms REAL,
    run_ms REAL,
    cpu_ms REAL,
    memory_bytes INTEGER,
    event BLOB,
    event_bytes INTEGER NOT NULL,
    result BLOB,
    result_bytes INTEGER NOT NULL,
    output BLOB,
    output_cut INTEGER NOT NULL,
    -- What the row counts for in the size of the whole.
    bytes INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX calls_of_lambda ON calls (lambda, id);
  CREATE INDEX calls_by_request ON calls (request_id);

  CREATE TABLE usage (
    day INTEGER NOT NULL,
    lambda TEXT NOT NULL,
    memory_mb INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    cold INTEGER NOT NULL,
    -- Loading and running, of each call rounded up to whole milliseconds, and to whole tenths of a second.
    ms INTEGER NOT NULL,
    ms_by_100 INTEGER NOT NULL,
    -- Of each call, memory that it took, rounded up to 128 MiB, times its milliseconds, at least 100.
    used_mb_ms REAL NOT NULL,
    cpu_ms REAL NOT NULL,
    PRIMARY KEY (day, lambda, memory_mb)
  ) STRICT, WITHOUT ROWID;
  `,
];
