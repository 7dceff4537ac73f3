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

/** One bundle as a file, in bytes: what it may hold unpacked, and the archive's own part. */
export const BUNDLE_BYTES_MAX = 256 * 1024 * 1024;

/** How many times its own size a bundle may unpack to. Code reaches 10, a bomb 1,000. */
export const BUNDLE_RATIO_MAX = 100;

/** Whatever the ratio, so much is no bomb, in bytes. */
export const BUNDLE_RATIO_FROM_BYTES = 16 * 1024 * 1024;

/** One name in a path, in bytes: what Linux file systems take. */
export const BUNDLE_NAME_BYTES_MAX = 255;

/** A whole path inside a bundle, and where a link leads, in bytes: a quarter of the kernel's limit, as it lies below another path. */
export const BUNDLE_PATH_BYTES_MAX = 1_024;

/** What a tar archive says about one entry beyond its header, in bytes. */
export const TAR_EXTENSION_BYTES_MAX = 65_536;

/** Links that lead to links, on the way to a file: as the kernel counts. */
export const BUNDLE_LINK_HOPS_MAX = 40;

/** A larger requirements.txt or packages.txt is refused; code that large is not searched for a list of packages. In bytes. */
export const DECLARED_BYTES_MAX = 4 * 1024 * 1024;

/** A store that is silent for so long, before or in the middle of an answer, is down. In milliseconds. */
export const STORE_SILENCE_MS = 10_000;

/** How long the registry may keep a question for changes before it answers that there are none, in milliseconds. */
export const CHANGES_WAIT_MS = 20_000;

/** Pause before a store that was down is asked again, in milliseconds; doubled each time up to the longest. */
export const STORE_RETRY_MS = 50;
export const STORE_RETRY_MS_MAX = 1_000;

/** An error, or a list of 1,000 lambdas or changes, has fewer bytes. */
export const STORE_ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** What code that is current no longer may take on the disk, of all lambdas of a worker together. */
export const EARLIER_BYTES_MAX = 256 * 1024 * 1024;

/** A bundle in a store that no document names is somebody's who is about to name it, or nobody's after so long: a day. */
export const LEFTOVER_AGE_MS = 24 * 3_600_000;

/** How often a function is read again because another has changed it first, before that is told. */
export const EDIT_TRIES_MAX = 100;
