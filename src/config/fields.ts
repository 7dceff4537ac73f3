/**
 * The table of settings: kind, default and meaning of each. The parser, the template, the help
 * and the reference all come from it. A key's place in the table is its place in the files.
 */
import { type Bound, LIMIT_BOUNDS, SETTING_BOUNDS } from './limits.ts';
import type { Limits, Settings } from './settings.ts';

export type Field = { readonly about: string } & (
  | {
      readonly kind: 'choice';
      readonly choices: readonly string[];
      readonly later?: readonly string[];
      readonly initial: string;
    }
  | { readonly kind: 'integer'; readonly bound: Bound; readonly initial: number }
  /** A directory; the default is relative to the cluster's root. */
  | { readonly kind: 'directory'; readonly initial: string }
  /** A path, or one of the words that mean something else. */
  | { readonly kind: 'path'; readonly words: readonly string[]; readonly initial: string }
  | { readonly kind: 'address'; readonly initial: string }
);

export const FIELDS: { readonly [K in Exclude<keyof Settings, 'limits'>]: Field } = {
  registry: {
    kind: 'choice',
    choices: ['local'],
    later: ['remote'],
    initial: 'local',
    about: 'where lambda code comes from',
  },
  sandbox: {
    kind: 'choice',
    choices: ['sock'],
    later: ['docker'],
    initial: 'sock',
    about: 'the engine that makes sandboxes',
  },
  registry_dir: { kind: 'directory', initial: 'registry', about: 'directory with one directory per lambda' },
  packages_dir: { kind: 'directory', initial: 'packages', about: 'directory of installed Python packages' },
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
    about: 'sandboxes kept waiting for code, so that a cold start is a hand-over',
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
    initial: 200,
    about: 'instances of all lambdas that may live at the same time in one worker',
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
};

/** The settings under `limits`: what one sandbox may use. */
export const LIMIT_FIELDS: { readonly [K in keyof Limits]: Field } = {
  timeout_ms: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.timeout_ms,
    initial: 30_000,
    about: 'wall-clock time of one call',
  },
  memory_mb: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.memory_mb,
    initial: 256,
    about: 'memory of one sandbox including swap',
  },
  cpu_percent: { kind: 'integer', bound: LIMIT_BOUNDS.cpu_percent, initial: 100, about: 'CPU share of one sandbox' },
  procs: { kind: 'integer', bound: LIMIT_BOUNDS.procs, initial: 64, about: 'processes and threads of one sandbox' },
  tmp_mb: { kind: 'integer', bound: LIMIT_BOUNDS.tmp_mb, initial: 32, about: 'size of /tmp, which is memory' },
  response_kb: { kind: 'integer', bound: LIMIT_BOUNDS.response_kb, initial: 6_144, about: 'size of one answer' },
  concurrency: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.concurrency,
    initial: 8,
    about: 'instances of one lambda that may live at the same time',
  },
};

/** Every field by the name that people write: `pool_size`, `limits.memory_mb`. */
export function everyField(): [string, Field][] {
  const limits = Object.entries(LIMIT_FIELDS).map(([key, field]): [string, Field] => [`limits.${key}`, field]);
  return [...Object.entries(FIELDS), ...limits];
}

/** What a field takes, in words. */
export function legalValues(field: Field): string {
  switch (field.kind) {
    case 'choice':
      return field.choices.map((choice) => JSON.stringify(choice)).join(' or ');
    case 'integer':
      return `a whole number from ${field.bound.min} to ${field.bound.max} (${field.bound.unit})`;
    case 'directory':
      return 'the path of a directory';
    case 'path':
      return ['a path', ...field.words.map((word) => JSON.stringify(word))].join(' or ');
    case 'address':
      return 'an IP address or a host name';
  }
}
