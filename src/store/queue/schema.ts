/**
 * The tables of the queue of asynchronous calls, shared by all workers of a cluster.
 *
 * A job is one event that was accepted. `queued` it waits until `due_ms`; `running` it belongs to a
 * session, which is one life of one worker; `done` and `dead` are its ends. Its event lies in a table of
 * its own, so that a change of state does not write it again, and goes when the job is done.
 *
 * A session's `beat` grows while it runs jobs. Others that see it stand still take its jobs from it: they
 * measure that by their own monotonic clocks, so a step of the wall clock ends no lease.
 *
 * `totals` is kept by triggers: whoever counts reads one row, whichever process wrote.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    lambda TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'dead')),
    trigger_kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    -- Runs that failed by the lambda's own fault; starts that were refused; runs whose worker ended under them.
    attempts INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    -- When it came into its state.
    since_ms INTEGER NOT NULL,
    session TEXT,
    -- JSON: its trace, what its caller said of itself.
    context TEXT,
    error_type TEXT,
    error_message TEXT
  ) STRICT;
  CREATE INDEX jobs_queued ON jobs (lambda, due_ms) WHERE state = 'queued';
  CREATE INDEX jobs_waiting ON jobs (created_ms) WHERE state = 'queued';
  CREATE INDEX jobs_running ON jobs (session) WHERE state = 'running';
  CREATE INDEX jobs_done ON jobs (since_ms) WHERE state = 'done';
  CREATE INDEX jobs_dead ON jobs (since_ms) WHERE state = 'dead';

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    body BLOB NOT NULL
  ) STRICT;

  -- "Idempotency-Key", and the SHA-256 of the event that came with it.
  CREATE TABLE keys (
    lambda TEXT NOT NULL,
    key TEXT NOT NULL,
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (lambda, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX keys_by_age ON keys (created_ms);

  CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    worker TEXT NOT NULL,
    beat INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE totals (
    what TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO totals VALUES ('queued', 0, 0), ('running', 0, 0), ('done', 0, 0), ('dead', 0, 0), ('keys', 0, 0);

  CREATE TRIGGER job_added AFTER INSERT ON jobs BEGIN
    UPDATE totals SET count = count + 1, bytes = bytes + new.bytes WHERE what = new.state;
  END;
  CREATE TRIGGER job_removed AFTER DELETE ON jobs BEGIN
    UPDATE totals SET count = count - 1, bytes = bytes - old.bytes WHERE what = old.state;
  END;
  CREATE TRIGGER job_changed AFTER UPDATE OF state ON jobs WHEN old.state <> new.state BEGIN
    UPDATE totals SET count = count - 1, bytes = bytes - old.bytes WHERE what = old.state;
    UPDATE totals SET count = count + 1, bytes = bytes + new.bytes WHERE what = new.state;
  END;
  CREATE TRIGGER key_added AFTER INSERT ON keys BEGIN
    UPDATE totals SET count = count + 1 WHERE what = 'keys';
  END;
  CREATE TRIGGER key_removed AFTER DELETE ON keys BEGIN
    UPDATE totals SET count = count - 1 WHERE what = 'keys';
  END;
  `,
  `
  -- A schedule of a lambda; all times up to "last_ms" are over.
  CREATE TABLE schedules (
    lambda TEXT NOT NULL,
    name TEXT NOT NULL,
    pattern TEXT NOT NULL,
    last_ms INTEGER NOT NULL,
    fired_ms INTEGER,
    PRIMARY KEY (lambda, name)
  ) STRICT, WITHOUT ROWID;

  -- The last version of a lambda that was looked at and has none.
  CREATE TABLE unscheduled (
    lambda TEXT PRIMARY KEY,
    version TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];
