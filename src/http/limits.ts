/** What the bodies of all requests, and their answers, together may take, with unit and reason. */

/** A body up to this many bytes is small. Most events are; they never wait for memory that large ones have taken. */
export const SMALL_BODY_BYTES = 65_536;

/** Bytes of all small bodies that are in memory at the same time: 4,096 of the largest. */
export const SMALL_BODIES_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Bytes of all other bodies: 42 of the 6 MB that an event may have to begin with. Each is there twice
 * for a moment, and its answer may be as large, so it takes three times this of the machine.
 */
export const LARGE_BODIES_BYTES_MAX = 256 * 1024 * 1024;

/** An answer up to this many bytes is not counted while it is in its turn: the kernel takes it at once. */
export const UNREAD_ANSWER_BYTES = 16_384;

/** Bytes of all answers that are made and not read: 42 of the largest to begin with. */
export const UNREAD_ANSWERS_BYTES_MAX = 256 * 1024 * 1024;

/** Milliseconds in which something of a large answer must be read. */
export const UNREAD_STALL_MS = 60_000;

/** Requests that may wait on one connection for the answer to an earlier one. Nobody's client sends that many ahead. */
export const PIPELINED_MAX = 32;

/** Of an answer that comes bit by bit, in bytes: as much as AWS allows. None of it is kept here. */
export const STREAM_BYTES_MAX = 200 * 1024 * 1024;

/** How long nobody may read of one before its call is ended, which waits meanwhile, in milliseconds. */
export const STREAM_STALL_MS = 60_000;
