/** What installing packages may take, with unit and reason. */

/** Longest time that pip may take for one list of requirements, in milliseconds: 2 GB at 20 Mbit/s. */
export const FETCH_MS_MAX = 900_000;

/** Longest time that a sandbox may take for the next piece of a wheel, in milliseconds: compiling the largest source takes seconds. */
export const PIECE_MS_MAX = 60_000;

/** One wheel, in bytes. The largest on PyPI have 3 GB. */
export const WHEEL_BYTES_MAX = 4 * 1024 ** 3;

/** Files of one unpacked wheel with their compiled code. scipy has 3,000. */
export const WHEEL_FILES_MAX = 200_000;

/** All of them, in bytes. */
export const UNPACKED_BYTES_MAX = 10 * 1024 ** 3;

/** Parts of one path. */
export const PATH_SEGMENTS_MAX = 40;

/** Time after which what could not be installed is tried again, in milliseconds: an index may have been out of reach. */
export const RETRY_MS = 60_000;

/** Failures that are remembered; the oldest is forgotten first. */
export const FAILURES_MAX = 1_000;

/** How long linking and looking may keep other requests waiting at a time, in milliseconds. */
export const SLICE_MS_MAX = 2;

/** One message of the fetching process, in bytes: its longest holds what pip printed last. */
export const MESSAGE_BYTES_MAX = 1_048_576;

/** What pip gave as its reason, in characters. */
export const REASON_LENGTH_MAX = 1_200;

/** Sandboxes that unpack and compile for one installation at the same time, where there are as many cores. */
export const UNPACKERS_MAX = 4;

/** Source distributions that are built for one list of requirements: a resolver that tries every version of one is lost. */
export const BUILDS_MAX = 64;

/** What a build printed last, for whoever is told that it failed, in characters. */
export const BUILD_TAIL_LENGTH = 1_200;

/** What a wheel says of itself, in bytes: the longest descriptions on PyPI have a few hundred thousand. */
export const METADATA_BYTES_MAX = 4 * 1024 ** 2;
