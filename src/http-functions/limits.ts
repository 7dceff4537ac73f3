/** What an answer that comes bit by bit may take, with unit and reason. */

/** Of all parts together, in bytes: as much as AWS allows. None of it is kept here. */
export const STREAM_BYTES_MAX = 200 * 1024 * 1024;

/** How long nobody may read before the call is ended, which waits meanwhile, in milliseconds. */
export const STREAM_STALL_MS = 60_000;
