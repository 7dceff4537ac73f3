/**
 * Which settings exist. `config/template.json` of a cluster holds `Settings`; a worker's own
 * `config/worker-<N>.json` holds `WorkerSettings`. parse.ts says which values are legal.
 */
export interface Limits {
  /** Wall-clock time of one call, in milliseconds. */
  timeout_ms: number;
  /** Memory of one sandbox including swap, in MiB. */
  memory_mb: number;
  /** CPU share of one sandbox; 100 is one core. */
  cpu_percent: number;
  /** Processes and threads of one sandbox. */
  procs: number;
  /** Size of /tmp, which is memory, in MiB. */
  tmp_mb: number;
  /** Size of an instance's scratch directory, `/host`, in MiB. */
  scratch_mb: number;
  /** What one call may print, stdout and stderr together, in KiB. */
  output_kb: number;
  /** Size of one answer, in KiB. */
  response_kb: number;
  /** Instances of one lambda that may live at the same time. */
  concurrency: number;
}

export interface DockerSettings {
  /** Name of the image whose Python lambdas run. */
  image: string;
}

/** What a sandbox can reach: nothing but itself, the world but not this machine's own, or all that the host can. */
export const NETWORKS = ['none', 'outbound', 'host'] as const;
export type Network = (typeof NETWORKS)[number];

/** What a lambda's list of packages may say besides names and versions. */
export const PACKAGE_LIBERTIES = ['options', 'urls', 'paths'] as const;
export type PackageLiberty = (typeof PACKAGE_LIBERTIES)[number];

/** Whether packages are built from their sources, and what such a build reaches: nothing but itself, or the world. */
export const PACKAGE_BUILDS = ['off', 'offline', 'outbound'] as const;
export type PackageBuilds = (typeof PACKAGE_BUILDS)[number];

/** Who chooses the versions of packages. */
export const PACKAGE_RESOLVERS = ['pip', 'uv'] as const;
export type PackageResolver = (typeof PACKAGE_RESOLVERS)[number];

export interface Settings {
  /** Where lambda code comes from. */
  registry: 'local' | 'remote';
  /** Which engine makes sandboxes. */
  sandbox: 'sock' | 'docker';
  registry_dir: string;
  /** URL of the S3 store, without a path; empty where the registry is local. */
  registry_server: string;
  /** The store's region, which signatures name. */
  registry_region: string;
  /** The bucket whose bundles are the lambdas. */
  registry_bucket: string;
  /** `path` for `https://server/bucket/key`, `virtual` for `https://bucket.server/key`. */
  registry_addressing: 'path' | 'virtual';
  /** How old what a worker knows of a store that tells nobody of changes may be, in milliseconds. */
  registry_cache_ms: number;
  /** JSON with the store's `access_key` and `secret_key`. */
  registry_keys_file: string;
  /** JSON with the `access_key` and `secret_key` that AWS's clients sign with; if there is none, they need not. */
  aws_keys_file: string;
  packages_dir: string;
  /** Index that pip asks first, as an address; empty for what pip's own configuration says. */
  pip_mirror: string;
  packages_resolver: PackageResolver;
  /** What lists of packages may say besides names and versions. */
  packages_allow: readonly PackageLiberty[];
  /** Whether what has no wheel is built in a sandbox, and which network that has. */
  packages_build: PackageBuilds;
  /** How long a call may wait until the packages of its lambda are installed, in milliseconds. */
  packages_wait_ms: number;
  /** What `admin secrets` keeps. Workers read names in it; values are opened by the spawner alone. */
  secrets_dir: string;
  /** `host` for this machine's own system directories, or a root file system as directory or tarball. */
  base: string;
  /** Where the base's own files live: the made /etc, unpacked tarballs. */
  base_dir: string;
  /** Absolute path of the Python inside the base; empty to look for one. */
  python: string;
  /** Of the docker engine alone. */
  docker: DockerSettings;
  /** Address that workers listen on. */
  worker_host: string;
  /** Sandboxes kept waiting for code at all times, so that a cold start is a hand-over; 0 for none, `pool_max` or not. */
  pool_size: number;
  /** Sandboxes kept waiting at most, after a time in which so many were needed at once. */
  pool_max: number;
  /** Forks after which a zygote is followed by a fresh one, whose memory lies elsewhere. */
  zygote_forks_max: number;
  /** Whether zygotes import what lambdas import, so that their next sandboxes need not. */
  import_cache: 'tree' | 'off';
  /** Zygotes with packages that there may be; 0 for none. */
  zygotes_max: number;
  /** Memory of all of them together, in MiB; 0 takes a quarter of what all instances may take. */
  zygotes_memory_mb: number;
  /** Idle time after which an instance is paused, in milliseconds; 0 pauses right after the answer. */
  pause_after_ms: number;
  /** Instances of all lambdas that may live at the same time in one worker. */
  instances_max: number;
  /** Memory of all of them together, in MiB; 0 takes three quarters of the machine's. */
  instances_memory_mb: number;
  /** Sessions that may live at the same time in one worker; they are no instances. */
  sessions_max: number;
  /** URL of the gateway that workers join; empty for the cluster's own, when there is one. */
  gateway: string;
  /** Where the cluster's own gateway says how it is joined. */
  gateway_dir: string;
  /** What a gateway elsewhere is joined with, where the environment does not say it. */
  gateway_token_file: string;
  /** Calls of one lambda that may wait for an instance. */
  queue_max: number;
  /** Longest wait for an instance, in milliseconds. */
  queue_wait_ms: number;
  /** Size of one event, in KiB. */
  event_kb: number;
  /** Where asynchronous calls are kept until they have run. */
  async_dir: string;
  /** Asynchronous calls that may wait, in all workers of the cluster together. */
  async_max: number;
  /** What their events may take, in MiB. Dead letters may take as much again. */
  async_mb: number;
  /** Dead letters that are kept. */
  async_dead_max: number;
  /** Time that calls in flight get to finish when the worker stops, in milliseconds. */
  grace_ms: number;
  log_level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** Size of one file of what handlers print and of calls, in MiB. */
  log_file_mb: number;
  /** Such files that a worker keeps. */
  log_files: number;
  /** Versions of lambdas that are current no longer whose code a worker keeps, of all lambdas together. */
  code_kept: number;
  /** Calls of each lambda that a worker keeps with event, result and output: its last ones. 0 keeps none. */
  calls_kept: number;
  /** What they may take on the disk together, in MiB. */
  calls_mb: number;
  /** Whether a worker serves the console: on a loopback address, or to those who have the token. */
  console: 'on' | 'off';
  /** What one must know to use the console; empty for nothing, and then it is served on a loopback address only. */
  console_token: string;
  /** Networks that a lambda may ask for in its `lambda.json`. */
  network_allowed: readonly Network[];
  /** What a lambda gets that asks for nothing else in its `lambda.json`. */
  limits: Limits;
  /** The most that a lambda may ask for. What `limits` gives is never too much. */
  limits_max: Limits;
}

export interface WorkerSettings extends Settings {
  /** TCP port; 0 takes a free one. Files may hold it as string or number, as OpenLambda's did. */
  worker_port: number;
  /** Directory of the worker's own state. */
  worker_dir: string;
  /** Directory of what handlers print; files there begin with the name of `worker_dir`. */
  logs_dir: string;
  /** Where the worker writes its pid and holds a lock; empty for a foreground worker of one's own. */
  pid_file: string;
}
