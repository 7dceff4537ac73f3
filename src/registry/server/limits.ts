/** What the registry's server takes, with unit and reason. */

/** One PUT, and one object, in bytes: what S3 takes in one request. */
export const OBJECT_BYTES_MAX = 5 * 1024 ** 3;

/** Parts but the last of a multipart upload have at least this many bytes, as S3 has it. */
export const PART_BYTES_MIN = 5 * 1024 ** 2;

export const PART_NUMBER_MAX = 10_000;

/** A key, in bytes of UTF-8. */
export const KEY_BYTES_MAX = 1_024;

/** Names and values of an object's own metadata together, in bytes. */
export const METADATA_BYTES_MAX = 2_048;

/** Keys of one listing, and of one deletion. */
export const PAGE_KEYS_MAX = 1_000;

/** A body that is read as a whole: 10,000 parts of a multipart upload, with checksums, or 1,000 keys. In bytes. */
export const DOCUMENT_BYTES_MAX = 4 * 1024 ** 2;

/** Bytes of one upload that wait to be written while others are written. Larger ones gain nothing. */
export const WRITE_BYTES = 512 * 1024;

/** What is read of a blob at a time, in bytes. */
export const READ_BYTES = 256 * 1024;

/** Kept free for the index, so that a full disk can be emptied, in bytes: some hundred deletions. */
export const RESERVE_BYTES = 2 * 1024 ** 2;

/** Changes that are kept for those who ask what has changed; who is further behind lists all. */
export const CHANGES_KEPT = 10_000;

/** Changes in one answer. */
export const CHANGES_PAGE_MAX = 1_000;

/** How long a question for changes may wait for one, in milliseconds. */
export const CHANGES_WAIT_MS_MAX = 60_000;
export const CHANGES_WAIT_MS = 30_000;

/** How long who follows the changes is waited for: to note one, and to ask again after an answer. In milliseconds. */
export const FOLLOWER_RETURN_MS_MAX = 1_000;

/** Clients that wait for changes at the same time; each holds a connection. */
export const CHANGES_WAITING_MAX = 512;

/** A connection on which nothing moves for so long is closed, in milliseconds; waits for changes are shorter. */
export const IDLE_MS_MAX = 120_000;

/** Time for a request's head, in milliseconds. */
export const HEADERS_MS_MAX = 10_000;

/** Two descriptors each while something is transferred. */
export const CONNECTIONS_MAX = 1_024;

/** A file to which nobody has written for so long is nobody's: its connection would have been closed. In milliseconds. */
export const TEMP_AGE_MS_MAX = 3_600_000;

/** A multipart upload that nobody has completed by then was given up, in milliseconds: a week. `gc` removes it. */
export const UPLOAD_AGE_MS_MAX = 7 * 24 * 3_600_000;
