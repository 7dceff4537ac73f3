/** Bounds of sessions, each with its unit and its reason. */

/** Characters of one stream in one result: what the version 4 API says. */
export const RESULT_CHARS_MAX = 524_288;

/** Output that is kept of one execution until somebody has taken it, in characters: the original's 10 MiB. */
export const RUN_CHARS_MAX = 10_485_760;

/** Of an execution whose end has been handed out: somebody may not have received it. In characters. */
export const DONE_RUN_CHARS_MAX = 1_048_576;

/** Executions that have finished and can be asked for again. */
export const DONE_RUNS_MAX = 16;

/** Executions of one session that may wait for their turn: their sources are held in memory. */
export const QUEUED_RUNS_MAX = 100;

/** Characters in a run id, which is anybody's to choose. */
export const RUN_ID_CHARS_MAX = 64;

/** Pieces of output are kept in no larger ones, so that a result can end between any two. In characters. */
export const PIECE_CHARS_MAX = 65_536;

/** What a piece counts for even if it has only a few characters: it takes memory by itself. */
export const PIECE_CHARS_LEAST = 64;

/** Text of the console that is kept of a session, in characters. */
export const LOG_CHARS_MAX = 1_048_576;

/** Of one that has ended. */
export const ENDED_LOG_CHARS_MAX = 262_144;

/** Sessions that have ended and can be asked for still. */
export const ENDED_SESSIONS_MAX = 64;

/** The longest wait of a call for something to say, in milliseconds: what REST and WebSocket clients of the original get. */
export const REST_FLUSH_MS = 2_000;
export const STREAM_FLUSH_MS = 200;

/** Exit codes: of an execution whose session has ended under it, and of one that took too long. */
export const LOST_EXIT_CODE = 130;
export const TIMEOUT_EXIT_CODE = 124;

/** The longest time that a timer can be set to, in milliseconds: 24 days. */
export const TIMER_MS_MAX = 2_147_483_647;
