/** `async` in a `lambda.json`: what becomes of asynchronous calls that fail. The initial values are AWS's. */
import { nearest } from '../lib/edit-distance.ts';
import type { IntegerField } from './field.ts';
import { ASYNC_BOUNDS } from './limits.ts';
import { isPlain, problemOf, show } from './parse.ts';

export interface AsyncSpec {
  /** How often a call that failed is run again. */
  readonly retries: number;
  /** Wait before the first retry, in milliseconds; each further one is twice as long. */
  readonly backoff_ms: number;
  /** Age at which a call is given up, in seconds. */
  readonly max_age_s: number;
}

export const ASYNC_FIELDS: { readonly [K in keyof AsyncSpec]: IntegerField } = {
  retries: {
    kind: 'integer',
    bound: ASYNC_BOUNDS.retries,
    initial: 2,
    about: 'how often a call that failed is run again',
  },
  backoff_ms: {
    kind: 'integer',
    bound: ASYNC_BOUNDS.backoff_ms,
    initial: 60_000,
    about: 'wait before the first retry; each further one is twice as long',
  },
  max_age_s: {
    kind: 'integer',
    bound: ASYNC_BOUNDS.max_age_s,
    initial: 21_600,
    about: 'age at which a call that has not succeeded is given up',
  },
};

export const DEFAULT_ASYNC: AsyncSpec = {
  retries: ASYNC_FIELDS.retries.initial,
  backoff_ms: ASYNC_FIELDS.backoff_ms.initial,
  max_age_s: ASYNC_FIELDS.max_age_s.initial,
};

/** `raw` is undefined if the file does not say. */
export function readAsync(raw: unknown, problems: string[]): AsyncSpec {
  if (raw === undefined) return DEFAULT_ASYNC;
  if (!isPlain(raw)) {
    problems.push(`async: ${show(raw)} is not a JSON object such as {"retries": 2}`);
    return DEFAULT_ASYNC;
  }
  const spec: Record<string, number> = { ...DEFAULT_ASYNC };
  for (const [key, value] of Object.entries(raw)) {
    const problem = problemWith(key, value);
    if (problem === undefined) spec[key] = value as number;
    else problems.push(`async.${key.slice(0, 64)}: ${problem}`);
  }
  return spec as unknown as AsyncSpec;
}

function problemWith(key: string, value: unknown): string | undefined {
  if (Object.hasOwn(ASYNC_FIELDS, key)) return problemOf(value, ASYNC_FIELDS[key as keyof AsyncSpec]);
  const guess = nearest(key.slice(0, 64), Object.keys(ASYNC_FIELDS));
  return `there is no such key${guess === undefined ? '' : `; did you mean "${guess}"?`}`;
}
