/** How schedules are kept, with unit and reason. */

/** A time that passed less than this ago is not missed: the worker was being started, or its machine was busy. In milliseconds. */
export const ON_TIME_MS = 60_000;

/** Times that one look makes calls for: what a schedule with seconds has in `ON_TIME_MS`, and missed ones with "all". */
export const MISSED_CALLS_MAX = 60;

/** Longest sleep until the clock is read again, in milliseconds: it may be set. */
export const SLEEP_MS_MAX = 30_000;

/** Wait until another try when calls could not be made, in milliseconds. */
export const RETRY_MS = 1_000;

/** A lambda is looked at when it has not changed for this long, in milliseconds: an editor or a copy is still at work. */
export const QUIET_MS = 200;
