/** How the queue of asynchronous calls is worked off, with unit and reason. */

/** How often a worker looks what others have left, and says that it lives, in milliseconds. */
export const BEAT_MS = 5_000;

/** Looks in a row at which a session has not beaten, until it counts as dead. */
export const STILL_LOOKS_MAX = 4;

/** Looks between two removals of what is old. */
export const LOOKS_PER_SWEEP = 12;

/** Asynchronous calls that one worker runs at the same time; half of `instances_max` if that is less. */
export const RUNNING_MAX = 500;

/** First and longest wait of a call that could not be started, in milliseconds: it is nobody's fault and costs little. */
export const REFUSED_WAIT_MS = 1_000;
export const REFUSED_WAIT_MS_MAX = 60_000;

/** Longest wait for a retry, in milliseconds. */
export const RETRY_WAIT_MS_MAX = 86_400_000;

/** By how much of itself a wait is lengthened at random, so that what failed together does not come back together. */
export const JITTER = 0.25;

/** A larger answer of a handler that failed is not searched for its message, in bytes. */
export const ERROR_BODY_BYTES_MAX = 65_536;

/** A step of the wall clock that counts, in milliseconds. */
export const CLOCK_STEP_MS = 1_000;

/** Characters of an `Idempotency-Key`: those of a header, without control characters. */
export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
