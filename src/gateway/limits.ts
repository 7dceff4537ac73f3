/** Bounds of the gateway, each with its unit and its reason. */

/** By how much the clocks of a client and of the gateway may differ, in milliseconds. */
export const CLOCK_SKEW_MS_MAX = 900_000;

/** Files in one upload, and in one download: what the version 4 API allows. */
export const UPLOAD_FILES_MAX = 20;
export const DOWNLOAD_FILES_MAX = 5;

/** Of one uploaded or downloaded file, in bytes. */
export const FILE_BYTES_MAX = 1_048_576;

/** Of any request: an upload of the largest files, and what stands between them. In bytes. */
export const BODY_BYTES_MAX = UPLOAD_FILES_MAX * FILE_BYTES_MAX + 1_048_576;

/** Source of one execution, in bytes of its JSON: code is text that people or models have written. */
export const JSON_BYTES_MAX = 4_194_304;

/** How long a call of `execute` waits for something to say, in milliseconds. */
export const EXECUTE_FLUSH_MS = 2_000;

/** What is known of a session that has ended, for those who still ask, in milliseconds. */
export const ENDED_KEPT_MS = 3_600_000;

/** So many of them at most, the last: a key can have sessions that fail at once made all the time. */
export const ENDED_KEPT_MAX = 10_000;

/** Events that are kept for those who come back with a `Last-Event-ID`. */
export const EVENTS_KEPT = 10_000;

/** Bytes of events that one listener may leave unread before it is cut. */
export const EVENTS_UNREAD_BYTES_MAX = 1_048_576;

/** A comment that keeps an event stream open through proxies, every so many milliseconds. */
export const EVENTS_PING_MS = 15_000;

/** One message of a client over a WebSocket, in bytes. */
export const SOCKET_MESSAGE_BYTES_MAX = JSON_BYTES_MAX;

/** Output that waits to be read by the client of a WebSocket, in bytes; above it, its program waits. */
export const SOCKET_UNREAD_BYTES_MAX = 4_194_304;

/** How often a WebSocket is asked whether its client is still there, in milliseconds. */
export const SOCKET_PING_MS = 30_000;

/** How often the use of keys is written down, in milliseconds: a power cut loses no more of it. */
export const USE_WRITTEN_MS = 5_000;

/** Environment of a session, names and values together, in bytes. */
export const ENVIRON_BYTES_MAX = 65_536;

/** The longest that a creation may be waited for, in seconds: `maxWaitSeconds`. */
export const CREATE_WAIT_S_MAX = 3_600;

/** How long a bearer token is good for unless it is said, and at most, in seconds. */
export const TOKEN_S = 86_400;
export const TOKEN_S_MAX = 31_536_000;

/** Bearer tokens of one key that are good at a time: all are held in memory. */
export const TOKENS_MAX = 1_000;

/** Of a password: it is derived from, however long it is. */
export const PASSWORD_CHARS_MAX = 1_024;

/** A one-shot call without limits of its own may take so long, and at most, in milliseconds. */
export const ONE_SHOT_MS = 10_000;
export const ONE_SHOT_MS_MAX = 600_000;

/** What building a program and taking its files may take on top of that, in milliseconds. */
export const ONE_SHOT_EXTRA_MS = 300_000;
