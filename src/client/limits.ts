/** Bounds of the client, each with its unit and its reason. */

/** The largest answer that is taken: a download of several files. In bytes. */
export const ANSWER_BYTES_MAX = 268_435_456;

/** A request's body goes in pieces of so many bytes, so that somebody can be told how far it is. */
export const SENT_PIECE_BYTES = 262_144;

/** How long an execution goes on being watched while its gateway can not be reached, in milliseconds. */
export const RECONNECT_MS = 30_000;

/** The wait before a gateway is tried again: it doubles from the first to the last. In milliseconds. */
export const RETRY_MS = 100;
export const RETRY_MS_MAX = 2_000;

/** How long a gateway may take to accept a connection, in milliseconds. */
export const CONNECT_MS = 10_000;

/** Bytes of one message of a stream: more than any gateway puts into one. */
export const MESSAGE_BYTES_MAX = 67_108_864;

/** Files in one upload, and bytes of each: what the API allows. Longer lists are sent in several. */
export const UPLOAD_FILES_MAX = 20;
