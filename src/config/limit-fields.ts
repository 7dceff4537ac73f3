/** The table of limits: what one sandbox may use, and the most that a `lambda.json` may ask for. */
import type { IntegerField } from './field.ts';
import { LIMIT_BOUNDS } from './limits.ts';
import type { Limits } from './settings.ts';

/** The settings under `limits`: what one sandbox may use. */
export const LIMIT_FIELDS: { readonly [K in keyof Limits]: IntegerField } = {
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
  tmp_mb: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.tmp_mb,
    initial: 32,
    about: 'size of /tmp, which is memory; a quarter of memory_mb at most',
  },
  scratch_mb: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.scratch_mb,
    initial: 512,
    about: "size of an instance's scratch directory, /host",
  },
  output_kb: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.output_kb,
    initial: 1_024,
    about: 'what one call may print, stdout and stderr together',
  },
  response_kb: { kind: 'integer', bound: LIMIT_BOUNDS.response_kb, initial: 6_144, about: 'size of one answer' },
  concurrency: {
    kind: 'integer',
    bound: LIMIT_BOUNDS.concurrency,
    initial: 8,
    about: 'instances of one lambda that may live at the same time',
  },
};

/** The settings under `limits_max`: what a `lambda.json` may ask for. */
export const CEILING_FIELDS: { readonly [K in keyof Limits]: IntegerField } = {
  timeout_ms: ceiling('timeout_ms', 900_000),
  memory_mb: ceiling('memory_mb', 1_024),
  cpu_percent: ceiling('cpu_percent', 400),
  procs: ceiling('procs', 256),
  tmp_mb: ceiling('tmp_mb', 256),
  scratch_mb: ceiling('scratch_mb', 2_048),
  output_kb: ceiling('output_kb', 16_384),
  response_kb: ceiling('response_kb', 6_144),
  concurrency: ceiling('concurrency', 32),
};

function ceiling(key: keyof Limits, initial: number): IntegerField {
  return { kind: 'integer', bound: LIMIT_BOUNDS[key], initial, about: 'the most that a lambda.json may ask for' };
}
