/** What the code of one lambda may be, with unit and reason. */

/** Files, links and directories. numpy has 1,500; more than this is a data set or a node_modules. */
export const TREE_ENTRIES_MAX = 10_000;

/** Bytes of all files: what AWS allows an unpacked function. */
export const TREE_BYTES_MAX = 250 * 1024 * 1024;

/** Directories inside directories. */
export const TREE_DEPTH_MAX = 32;

/** Copies of a tree that changes while it is copied, before the request is refused. */
export const SNAPSHOT_TRIES_MAX = 10;

/** Pause before the second copy; each further one waits this much longer. All ten together: 0.9 s. */
export const SNAPSHOT_PAUSE_MS = 20;

/** How long reading and copying code may keep other requests waiting at a time, in milliseconds. */
export const SLICE_MS_MAX = 2;

/** File times are as coarse as the kernel's tick: a change this soon after another may not show. In milliseconds. */
export const TIMESTAMP_GRAIN_MS = 20;

/** Lambdas whose code is copied before anybody asks for them; each costs a copy on disk and a few watches. */
export const PREFETCH_LAMBDAS_MAX = 1_000;

/** Time without changes after which code is copied ahead of its first request, in milliseconds. */
export const PREFETCH_QUIET_MS = 20;
