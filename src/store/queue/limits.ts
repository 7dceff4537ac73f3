/** What the queue of asynchronous calls keeps, and for how long, each with its reason. */

/** How long an `Idempotency-Key` stands for its call, in milliseconds: as long as people retry by hand. */
export const KEY_KEPT_MS = 24 * 3_600_000;

/** Keys that are kept at the same time, the last: 12 a second, all day. */
export const KEYS_MAX = 1_000_000;

/** How long a call that is done can be asked about, in milliseconds. */
export const DONE_KEPT_MS = 24 * 3_600_000;

/** Calls that are done and can be asked about: the last ones. They hold no events. */
export const DONE_MAX = 100_000;

/** How long a dead letter is kept, in milliseconds: as long as SQS keeps a message at most. */
export const DEAD_KEPT_MS = 14 * 24 * 3_600_000;

/** Rows that one transaction removes: some milliseconds, in which nobody else writes. */
export const REMOVED_AT_A_TIME = 1_000;

/** Workers that may end under one call before it is taken for the reason. */
export const LOSSES_MAX = 10;

/** Bytes of all events that are handed out at once; a single larger one always has room. */
export const TAKEN_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A schedule that has fired further ahead than this did so by a clock that was wrong, in milliseconds: as cron has it. What is
 * less is a clock that was put right a little, and no time of it comes twice.
 */
export const MARK_AHEAD_MS = 3 * 3_600_000;

/** Characters of the message of an error that are kept. */
export const ERROR_MESSAGE_MAX = 1_000;
