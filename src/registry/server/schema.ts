/**
 * The tables, as steps that each bring an index of the version before to the next. Steps that were in a
 * release never change.
 *
 * A blob is a file named by the SHA-256 of its bytes. It has a row for as long as an object or a version
 * refers to it; a file without row is nobody's, and `admin registry gc` removes it.
 */
export const MIGRATIONS: readonly string[] = [
  `
  -- Tells one store from another that was made in its place later: numbers of changes begin anew there.
  CREATE TABLE store (epoch TEXT NOT NULL) STRICT;
  INSERT INTO store VALUES (lower(hex(randomblob(8))));

  CREATE TABLE buckets (
    name TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE objects (
    bucket TEXT NOT NULL REFERENCES buckets,
    key TEXT NOT NULL,
    blob TEXT NOT NULL REFERENCES blobs,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    headers TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX objects_by_blob ON objects (blob);

  -- "nth" grows with each upload, so the last upload of a version orders it.
  CREATE TABLE versions (
    lambda TEXT NOT NULL,
    blob TEXT NOT NULL REFERENCES blobs,
    nth INTEGER NOT NULL UNIQUE,
    key TEXT NOT NULL,
    etag TEXT NOT NULL,
    headers TEXT NOT NULL,
    uploaded_ms INTEGER NOT NULL,
    PRIMARY KEY (lambda, blob)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX versions_by_blob ON versions (blob);

  CREATE TABLE lambdas (
    name TEXT PRIMARY KEY,
    blob TEXT NOT NULL,
    FOREIGN KEY (name, blob) REFERENCES versions (lambda, blob)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    lambda TEXT NOT NULL,
    version TEXT
  ) STRICT;

  CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL REFERENCES buckets ON DELETE CASCADE,
    key TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    headers TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE parts (
    upload TEXT NOT NULL REFERENCES uploads ON DELETE CASCADE,
    number INTEGER NOT NULL,
    file TEXT NOT NULL UNIQUE,
    bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modified_ms INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
  ) STRICT, WITHOUT ROWID;
  `,
];
