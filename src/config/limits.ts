/**
 * Every bound and ceiling of the program, with its unit and its reason. Settings may be chosen
 * within `BOUNDS`; the other numbers are fixed.
 */
import type { Limits, Settings } from './settings.ts';

export interface Bound {
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  /** Why not less, and why not more. */
  readonly why: { readonly min?: string; readonly max?: string };
}

type IntegerSetting = { [K in keyof Settings]: Settings[K] extends number ? K : never }[keyof Settings];

export const LIMIT_BOUNDS: { readonly [K in keyof Limits]: Bound } = {
  timeout_ms: { min: 1, max: 86_400_000, unit: 'ms', why: { max: 'a call that takes a day is a job, not a function' } },
  memory_mb: { min: 16, max: 1_048_576, unit: 'MiB', why: { min: 'a bare Python needs about 10 MiB' } },
  cpu_percent: {
    min: 1,
    max: 102_400,
    unit: '% of a core',
    why: { min: 'the kernel takes no share under 1 ms in 100 ms' },
  },
  procs: { min: 1, max: 32_768, unit: 'processes', why: { max: 'the default range of process ids' } },
  tmp_mb: { min: 1, max: 1_048_576, unit: 'MiB', why: { min: 'to the kernel 0 is no limit', max: '/tmp is memory' } },
  scratch_mb: { min: 1, max: 1_048_576, unit: 'MiB', why: { max: 'a terabyte is no scratch' } },
  output_kb: {
    min: 4,
    max: 1_048_576,
    unit: 'KiB',
    why: { min: 'it is kept in pages of 4 KiB', max: 'it is memory while the instance lives' },
  },
  response_kb: { min: 1, max: 524_288, unit: 'KiB', why: { max: 'an answer is held in memory as a whole' } },
  concurrency: { min: 1, max: 10_000, unit: 'instances', why: { max: '1,000 instances take 1.7 GB of a machine' } },
};

export const SETTING_BOUNDS: { readonly [K in IntegerSetting]: Bound } = {
  pool_size: { min: 0, max: 1_000, unit: 'sandboxes', why: { max: 'one that waits takes 1.7 MB' } },
  pool_max: { min: 0, max: 1_000, unit: 'sandboxes', why: { max: 'one that waits takes 1.7 MB' } },
  zygote_forks_max: {
    min: 1,
    max: 1_000_000,
    unit: 'forks',
    why: { min: 'a fresh zygote costs as much as ten forks' },
  },
  zygotes_max: { min: 0, max: 1_000, unit: 'zygotes', why: { max: 'each is a process that holds its packages' } },
  zygotes_memory_mb: { min: 0, max: 16_777_216, unit: 'MiB', why: { max: 'no machine has more than 16 TiB' } },
  pause_after_ms: { min: 0, max: 86_400_000, unit: 'ms', why: { max: 'a day' } },
  instances_max: { min: 1, max: 10_000, unit: 'instances', why: { max: 'each takes 1.7 MB and five descriptors' } },
  instances_memory_mb: { min: 0, max: 16_777_216, unit: 'MiB', why: { max: 'no machine has more than 16 TiB' } },
  sessions_max: { min: 0, max: 10_000, unit: 'sessions', why: { max: 'each takes 2 MB and five descriptors' } },
  queue_max: { min: 0, max: 100_000, unit: 'calls', why: { max: 'the events of waiting calls are held in memory' } },
  queue_wait_ms: {
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    why: { min: 'a cold start is waiting too, and would fail', max: 'an hour' },
  },
  packages_wait_ms: { min: 0, max: 3_600_000, unit: 'ms', why: { max: 'an hour' } },
  event_kb: { min: 1, max: 524_288, unit: 'KiB', why: { max: 'an event is held in memory as a whole' } },
  async_max: {
    min: 1,
    max: 100_000_000,
    unit: 'calls',
    why: { max: 'each takes 300 bytes of the disk and its event' },
  },
  async_mb: { min: 1, max: 16_777_216, unit: 'MiB', why: { max: 'no disk has more than 16 TiB' } },
  async_dead_max: { min: 0, max: 1_000_000, unit: 'calls', why: { max: 'nobody reads more' } },
  registry_cache_ms: { min: 0, max: 3_600_000, unit: 'ms', why: { max: 'an hour' } },
  log_file_mb: { min: 1, max: 256, unit: 'MiB', why: { max: '`admin logs` reads a file as a whole' } },
  code_kept: { min: 0, max: 10_000, unit: 'versions', why: { max: 'each is a copy of code on the disk' } },
  calls_kept: { min: 0, max: 1_000_000, unit: 'calls', why: { max: 'each is a row and its event on the disk' } },
  calls_mb: { min: 1, max: 1_048_576, unit: 'MiB', why: { max: 'a terabyte is no memory of the last calls' } },
  log_files: { min: 2, max: 1_000, unit: 'files', why: { min: 'the oldest goes when a new one begins' } },
  grace_ms: { min: 0, max: 3_600_000, unit: 'ms', why: { max: 'an hour' } },
};

/**
 * /tmp and /dev/shm are memory, each of this part of a sandbox's limit at most: two quarters, so that a
 * full one says "no space left" before the kernel kills for memory.
 */
export const TMP_MEMORY_PART = 1 / 4;

/** A larger `lambda.json` is not read, in bytes. */
export const LAMBDA_JSON_BYTES_MAX = 65_536;

/** One secret, in bytes: keys and certificates have a few thousand. */
export const SECRET_BYTES_MAX = 65_536;

/** Secrets that one lambda may be granted: their files are memory of each of its sandboxes. */
export const SECRETS_PER_LAMBDA_MAX = 64;

/** Names and values of a lambda's `env` together, in bytes: what AWS allows. */
export const ENV_BYTES_MAX = 4_096;

/** Schedules of one lambda: each is a clock in every worker. */
export const SCHEDULES_MAX = 16;

/** What a lambda may say of its asynchronous calls. */
export const ASYNC_BOUNDS = {
  retries: { min: 0, max: 100, unit: 'retries', why: { max: 'a hundred have not helped' } },
  backoff_ms: { min: 0, max: 86_400_000, unit: 'ms', why: { max: 'a day' } },
  max_age_s: { min: 1, max: 1_209_600, unit: 's', why: { max: 'two weeks' } },
} as const satisfies Readonly<Record<string, Bound>>;

/** Entries of a lambda's `egress`: a list that nobody reads to its end is no list. */
export const EGRESS_ENTRIES_MAX = 64;

/** Port 0 takes a free one. */
export const PORT_MAX = 65_535;

/** Workers of one cluster that one command may start. More than this is a typing error. */
export const WORKERS_MAX = 100;

/** A configuration file larger than this is not one of ours. In bytes. */
export const CONFIG_BYTES_MAX = 1_048_576;

/** Longest wait for a worker to become ready, in milliseconds: unpacking a large base takes long. */
export const READY_WAIT_MS = 120_000;

/** Longest wait for a worker's `/status`, in milliseconds. */
export const PING_WAIT_MS = 2_000;

/** Largest answer to `/status` that is read: 10,000 sandboxes of 300 bytes, and as many lambdas of 200. In bytes. */
export const PING_BYTES_MAX = 8_388_608;

/** Largest answer of a lambda that is read: what `response_kb` may be at most, in bytes. */
export const ANSWER_BYTES_MAX = LIMIT_BOUNDS.response_kb.max * 1_024;

/** On top of a worker's `grace_ms`: what it needs to take its sandboxes down, before SIGKILL. In milliseconds. */
export const STOP_MARGIN_MS = 10_000;

/** What transfers in flight get when the registry's server stops, before SIGKILL. In milliseconds. */
export const REGISTRY_GRACE_MS = 10_000;

/** What calls in flight get when a gateway stops, before SIGKILL. In milliseconds. */
export const GATEWAY_GRACE_MS = 5_000;

/** Longest wait for a process to disappear after SIGKILL, in milliseconds. */
export const KILL_WAIT_MS = 10_000;

/** One piece of what a handler printed, in bytes: what is longer is cut into several entries of the log. */
export const LOG_TEXT_BYTES = 16_384;

/** Output and calls that wait to be written to the log, in bytes; what comes on top is lost. */
export const LOG_WAITING_BYTES_MAX = 33_554_432;

/** How much of the end of a log is shown when a worker does not start, in bytes. */
export const LOG_TAIL_BYTES = 4_096;

/** Longest wait for another holder of a pid file's lock, such as a passing check, in seconds. */
export const PID_LOCK_WAIT_S = 1;

/** Longest wait for a Python to say its version, in milliseconds. */
export const PYTHON_WAIT_MS = 10_000;

/** Longest wait for the Docker daemon to answer, in milliseconds. */
export const DOCKER_WAIT_MS = 5_000;

/** The oldest Python that the code inside a sandbox runs on. */
export const PYTHON_MIN = [3, 9] as const;
