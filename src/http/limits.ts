/** What the bodies of all requests together may take, with unit and reason. */

/** A body up to this many bytes is small. Most events are; they never wait for memory that large ones have taken. */
export const SMALL_BODY_BYTES = 65_536;

/** Bytes of all small bodies that are in memory at the same time: 4,096 of the largest. */
export const SMALL_BODIES_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Bytes of all other bodies: 42 of the 6 MB that an event may have to begin with. Each is there twice
 * for a moment, and its answer may be as large, so it takes three times this of the machine.
 */
export const LARGE_BODIES_BYTES_MAX = 256 * 1024 * 1024;
