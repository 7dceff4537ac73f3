/**
 * The table of settings: kind, default and meaning of each. The parser, the template, the help
 * and the reference all come from it. A key's place in the table is its place in the files.
 */
import type { Field } from './field.ts';
import { CEILING_FIELDS, LIMIT_FIELDS } from './limit-fields.ts';
import { SETTING_BOUNDS } from './limits.ts';
import { PACKAGE_FIELDS } from './package-fields.ts';
import { type DockerSettings, NETWORKS, type Settings } from './settings.ts';

export const FIELDS: { readonly [K in Exclude<keyof Settings, 'limits' | 'limits_max' | 'docker'>]: Field } = {
  registry: {
    kind: 'choice',
    choices: ['local', 'remote'],
    initial: 'local',
    about: 'where lambda code comes from: registry_dir, or the store at registry_server',
  },
  sandbox: {
    kind: 'choice',
    choices: ['sock', 'docker'],
    initial: 'sock',
    about: 'the engine that makes sandboxes',
  },
  registry_dir: { kind: 'directory', initial: 'registry', about: 'directory with one directory per lambda' },
  registry_server: {
    kind: 'server',
    initial: '',
    about: 'URL of the S3 store that a remote registry is; `admin registry` fills it in',
  },
  registry_region: {
    kind: 'word',
    pattern: /^[A-Za-z0-9-]{1,64}$/,
    what: 'the name of a region, such as "eu-central-1"',
    initial: 'us-east-1',
    about: "the store's region; Isla's own registry takes any",
  },
  registry_bucket: {
    kind: 'word',
    pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    what: 'the name of a bucket: 3 to 63 of a-z 0-9 . -',
    initial: 'registry',
    about: 'the bucket whose bundles are the lambdas',
  },
  registry_addressing: {
    kind: 'choice',
    choices: ['path', 'virtual'],
    initial: 'path',
    about: "whether the bucket stands in the URL's path or, as AWS likes it, before the host's name",
  },
  registry_cache_ms: {
    kind: 'integer',
    bound: SETTING_BOUNDS.registry_cache_ms,
    initial: 5_000,
    about: "how old what is known of another S3 store may be; Isla's own registry tells at once",
  },
  registry_keys_file: {
    kind: 'path',
    words: [],
    initial: 'config/registry-keys.json',
    about: "file with the store's access_key and secret_key, for its owner's eyes only",
  },
  aws_keys_file: {
    kind: 'path',
    words: [],
    initial: 'config/aws-keys.json',
    about: "file with the access_key and secret_key that AWS's clients sign with; without it, they need not",
  },
  ...PACKAGE_FIELDS,
  secrets_dir: { kind: 'directory', initial: 'config/secrets', about: 'directory of what `admin secrets` keeps' },
  base: {
    kind: 'path',
    words: ['host'],
    initial: 'host',
    about:
      'what sandboxes see as their system: host (this machine, read-only) or a root file system as directory or tarball',
  },
  base_dir: { kind: 'directory', initial: 'base', about: 'directory for the files that the base needs' },
  python: {
    kind: 'path',
    words: [''],
    initial: '',
    about: 'absolute path of the Python inside the base; empty looks for one',
  },
  worker_host: { kind: 'address', initial: '127.0.0.1', about: 'address that workers listen on' },
  pool_size: {
    kind: 'integer',
    bound: SETTING_BOUNDS.pool_size,
    initial: 4,
    about: 'sandboxes kept waiting for code at all times, so that a cold start is a hand-over; 0 for none',
  },
  pool_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.pool_max,
    initial: 128,
    about: 'sandboxes kept waiting at most, after a time in which so many were needed at once',
  },
  zygote_forks_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.zygote_forks_max,
    initial: 1_000,
    about: 'forks after which a zygote is followed by a fresh one, whose memory lies elsewhere',
  },
  import_cache: {
    kind: 'choice',
    choices: ['tree', 'off'],
    initial: 'tree',
    about: 'whether zygotes import what lambdas import, so that their next sandboxes need not',
  },
  zygotes_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.zygotes_max,
    initial: 32,
    about: 'zygotes with packages that there may be; 0 for none',
  },
  zygotes_memory_mb: {
    kind: 'integer',
    bound: SETTING_BOUNDS.zygotes_memory_mb,
    initial: 0,
    about: 'memory of all of them together, in MiB; 0 takes a quarter of what all instances may take',
  },
  pause_after_ms: {
    kind: 'integer',
    bound: SETTING_BOUNDS.pause_after_ms,
    initial: 50,
    about: 'idle time after which an instance is paused; 0 pauses right after the answer',
  },
  instances_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.instances_max,
    initial: 1_000,
    about: 'instances of all lambdas that may live at the same time in one worker',
  },
  instances_memory_mb: {
    kind: 'integer',
    bound: SETTING_BOUNDS.instances_memory_mb,
    initial: 0,
    about: "memory of all of them together, beyond which idle ones are ended; 0 takes three quarters of the machine's",
  },
  sessions_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.sessions_max,
    initial: 500,
    about: 'sessions that may live at the same time in one worker, beside its instances',
  },
  gateway: {
    kind: 'server',
    initial: '',
    about: "URL of the gateway that workers join as agents; empty for the cluster's own, when there is one",
  },
  gateway_dir: {
    kind: 'directory',
    initial: 'gateway/agents',
    about: "directory in which the cluster's own gateway says how it is joined",
  },
  gateway_token_file: {
    kind: 'path',
    words: [],
    initial: 'config/gateway-token',
    about: 'file with the token that a gateway elsewhere asks for, where ISLA_GATEWAY_TOKEN is not set',
  },
  queue_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.queue_max,
    initial: 100,
    about: 'calls of one lambda that may wait for an instance',
  },
  queue_wait_ms: {
    kind: 'integer',
    bound: SETTING_BOUNDS.queue_wait_ms,
    initial: 30_000,
    about: 'longest wait for an instance',
  },
  event_kb: { kind: 'integer', bound: SETTING_BOUNDS.event_kb, initial: 6_144, about: 'size of one event' },
  async_dir: { kind: 'directory', initial: 'async', about: 'directory of asynchronous calls until they have run' },
  async_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.async_max,
    initial: 1_000_000,
    about: 'asynchronous calls that may wait, in all workers of the cluster together',
  },
  async_mb: {
    kind: 'integer',
    bound: SETTING_BOUNDS.async_mb,
    initial: 1_024,
    about: 'what their events may take on the disk; dead letters may take as much again',
  },
  async_dead_max: {
    kind: 'integer',
    bound: SETTING_BOUNDS.async_dead_max,
    initial: 10_000,
    about: 'dead letters that are kept; the oldest go first',
  },
  grace_ms: {
    kind: 'integer',
    bound: SETTING_BOUNDS.grace_ms,
    initial: 10_000,
    about: 'time that calls in flight get to finish when a worker stops',
  },
  log_level: {
    kind: 'choice',
    choices: ['trace', 'debug', 'info', 'warn', 'error'],
    initial: 'info',
    about: 'how much the worker logs',
  },
  log_file_mb: {
    kind: 'integer',
    bound: SETTING_BOUNDS.log_file_mb,
    initial: 16,
    about: 'size of one file of what handlers print and of calls (`admin logs`)',
  },
  log_files: {
    kind: 'integer',
    bound: SETTING_BOUNDS.log_files,
    initial: 4,
    about: 'such files that each worker keeps; the oldest goes first',
  },
  code_kept: {
    kind: 'integer',
    bound: SETTING_BOUNDS.code_kept,
    initial: 20,
    about:
      'versions of lambdas that are current no longer whose code a worker keeps, 256 MiB at most, to replay calls on',
  },
  calls_kept: {
    kind: 'integer',
    bound: SETTING_BOUNDS.calls_kept,
    initial: 1_000,
    about: 'last calls of each lambda that a worker keeps, with events and results (`admin calls`)',
  },
  calls_mb: {
    kind: 'integer',
    bound: SETTING_BOUNDS.calls_mb,
    initial: 64,
    about: 'what they may take on the disk; the oldest go first',
  },
  console: {
    kind: 'choice',
    choices: ['on', 'off'],
    initial: 'on',
    about: 'a page for browsers at /console: on a loopback address, or with a token',
  },
  console_token: {
    kind: 'word',
    pattern: /^(?:[\x21-\x7e]{16,128})?$/,
    what: '16 to 128 characters of ASCII without blanks, or ""',
    initial: '',
    about: 'what one must know to use the console; empty for nothing, and then it is on loopback addresses only',
  },
  network_allowed: {
    kind: 'choices',
    choices: NETWORKS,
    initial: ['none'],
    about: 'networks that a lambda may ask for in its lambda.json',
  },
};

/** The settings under `docker`: for the docker engine alone. */
export const DOCKER_FIELDS: { readonly [K in keyof DockerSettings]: Field } = {
  image: {
    kind: 'image',
    initial: 'python:3.12-slim',
    about: 'the image whose Python lambdas run, where "sandbox" is docker',
  },
};

/** Every field by the name that people write: `pool_size`, `limits.memory_mb`. */
export function everyField(): [string, Field][] {
  const under = (name: string, fields: Readonly<Record<string, Field>>) =>
    Object.entries(fields).map(([key, field]): [string, Field] => [`${name}.${key}`, field]);
  return [
    ...Object.entries(FIELDS),
    ...under('docker', DOCKER_FIELDS),
    ...under('limits', LIMIT_FIELDS),
    ...under('limits_max', CEILING_FIELDS),
  ];
}
