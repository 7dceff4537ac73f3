/** `"cors"` of a `lambda.json`: which pages of other origins may read what an HTTP function answers. Pure. */
import { isPlain, show } from './parse.ts';

/** By the names of the CORS object of AWS's Function URLs. */
export interface CorsSpec {
  /** `*` is any. */
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  /** How long a browser may go by the answer to its question, in seconds. */
  readonly maxAgeS: number | undefined;
}

const LISTS = ['allow_origins', 'allow_methods', 'allow_headers', 'expose_headers'] as const;
const KEYS: readonly string[] = [...LISTS, 'allow_credentials', 'max_age_s'];
const ENTRIES_MAX = 100;
/** A day, as AWS has it. */
const MAX_AGE_S_MAX = 86_400;

/** An origin as browsers send it, or a header's or a method's name. */
const PATTERNS: Readonly<Record<(typeof LISTS)[number], RegExp>> = {
  allow_origins: /^(\*|null|[a-z][a-z0-9+.-]*:\/\/[^\s/?#]{1,253})$/,
  allow_methods: /^(\*|[A-Z]{1,20})$/,
  allow_headers: /^(\*|[A-Za-z0-9!#$%&'+.^_`|~-]{1,100})$/,
  expose_headers: /^(\*|[A-Za-z0-9!#$%&'+.^_`|~-]{1,100})$/,
};

/** Undefined if it was not asked for. */
export function readCors(asked: unknown, problems: string[]): CorsSpec | undefined {
  if (asked === undefined) return undefined;
  if (!isPlain(asked)) {
    problems.push(`cors: ${show(asked)} is not a JSON object such as {"allow_origins": ["https://example.com"]}`);
    return undefined;
  }
  for (const key of Object.keys(asked)) {
    if (!KEYS.includes(key))
      problems.push(`cors.${key.slice(0, 64)}: there is no such key; there are ${KEYS.join(', ')}`);
  }
  const [allowOrigins, allowMethods, allowHeaders, exposeHeaders] = LISTS.map((key) => readList(asked, key, problems));
  const { allow_credentials = false, max_age_s } = asked;
  if (typeof allow_credentials !== 'boolean') {
    problems.push(`cors.allow_credentials: ${show(allow_credentials)} is neither true nor false`);
  }
  if (allow_credentials === true && allowOrigins?.includes('*')) {
    problems.push('cors.allow_credentials: with "*" in allow_origins every page could act for whoever is logged in');
  }
  const ageIsGood = Number.isInteger(max_age_s) && (max_age_s as number) >= 0 && (max_age_s as number) <= MAX_AGE_S_MAX;
  if (max_age_s !== undefined && !ageIsGood) {
    problems.push(`cors.max_age_s: ${show(max_age_s)} is not a whole number from 0 to ${MAX_AGE_S_MAX} (seconds)`);
  }
  return {
    allowOrigins: allowOrigins ?? [],
    allowMethods: allowMethods ?? [],
    allowHeaders: allowHeaders ?? [],
    exposeHeaders: exposeHeaders ?? [],
    allowCredentials: allow_credentials === true,
    maxAgeS: ageIsGood ? (max_age_s as number) : undefined,
  };
}

function readList(asked: Record<string, unknown>, key: (typeof LISTS)[number], problems: string[]): readonly string[] {
  const value = Object.hasOwn(asked, key) ? asked[key] : [];
  const good =
    Array.isArray(value) &&
    value.length <= ENTRIES_MAX &&
    value.every((one) => typeof one === 'string' && PATTERNS[key].test(one));
  if (good) return value;
  problems.push(`cors.${key}: ${show(value)} is not a list of such as ${show(EXAMPLES[key])}`);
  return [];
}

const EXAMPLES: Readonly<Record<(typeof LISTS)[number], string>> = {
  allow_origins: 'https://example.com',
  allow_methods: 'GET',
  allow_headers: 'content-type',
  expose_headers: 'x-request-id',
};
