/**
 * What a lambda says about itself in the `lambda.json` beside its code, and whether it may. The file comes
 * with a stranger's code: it may ask for less than the template's `limits` at will, for more up to the
 * template's `limits_max`, and for one of its `network_allowed`. Strict, like the template itself.
 */
import { nearest } from '../lib/edit-distance.ts';
import { type AsyncSpec, readAsync } from './async-spec.ts';
import { type CorsSpec, readCors } from './cors.ts';
import { Failure } from './failure.ts';
import { HANDLER_NAME_RULE, type HandlerName, parseHandlerName, RUNTIMES, type Runtime } from './handler-name.ts';
import { LIMIT_FIELDS } from './limit-fields.ts';
import { ENV_BYTES_MAX, LIMIT_BOUNDS, TMP_MEMORY_PART } from './limits.ts';
import { type NetworkSpec, readNetwork } from './network.ts';
import { defaultSettings, isPlain, problemOf, show } from './parse.ts';
import { readSchedules, type ScheduleSpec } from './schedule-spec.ts';
import { type Limits, NETWORKS, PACKAGE_LIBERTIES, type Settings } from './settings.ts';

export const LAMBDA_FILE = 'lambda.json';

export const ISOLATIONS = ['instance', 'call'] as const;
export type Isolation = (typeof ISOLATIONS)[number];

/** What a lambda runs with: what it asked for, and the template's word on the rest. */
export interface LambdaSpec {
  /** Undefined if it lies where it is looked for. */
  readonly handler: HandlerName | undefined;
  /** What runs it; undefined for what its file is made for. */
  readonly runtime: Runtime | undefined;
  /** Of an HTTP function; undefined if its answers have none but its own. */
  readonly cors: CorsSpec | undefined;
  readonly limits: Readonly<Limits>;
  readonly network: NetworkSpec;
  readonly env: Readonly<Record<string, string>>;
  /** Whether its sandboxes may be forks of a zygote, sharing its addresses and hash seed with all others. */
  readonly zygote: boolean;
  /** What a process of the lambda's serves: many events, one after the other, or one. */
  readonly isolation: Isolation;
  /** Whether a call ends when its caller goes away. */
  readonly cancelOnDisconnect: boolean;
  /** What becomes of asynchronous calls that fail. */
  readonly async: AsyncSpec;
  /** When it is called without anybody asking. */
  readonly schedules: readonly ScheduleSpec[];
  /** Whether its last calls are kept, with events and results. */
  readonly keepCalls: boolean;
}

/** The part of a template that says what lambdas get and may ask for. */
export type LambdaTerms = Pick<
  Settings,
  'limits' | 'limits_max' | 'network_allowed' | 'packages_allow' | 'packages_build'
>;

export const DEFAULT_TERMS: LambdaTerms = defaultSettings('/');

/** All that any template can allow: what is refused by these runs nowhere. */
export const WIDEST_TERMS: LambdaTerms = {
  limits: DEFAULT_TERMS.limits,
  limits_max: Object.fromEntries(Object.entries(LIMIT_BOUNDS).map(([key, { max }]) => [key, max])) as unknown as Limits,
  network_allowed: NETWORKS,
  packages_allow: PACKAGE_LIBERTIES,
  packages_build: 'outbound',
};

const KEYS = [
  ...Object.keys(LIMIT_FIELDS),
  'handler',
  'cors',
  'network',
  'egress',
  'env',
  'runtime',
  'zygote',
  'isolation',
  'cancel_on_disconnect',
  'async',
  'schedules',
  'keep_calls',
];

/** As many problems as one message lists. */
const PROBLEMS_MAX = 12;

/** `text` is the file's, undefined if there is none. Throws Failure `lambda-invalid` with all problems. */
export function parseLambdaSpec(text: string | undefined, terms: LambdaTerms): LambdaSpec {
  const problems: string[] = [];
  const raw = text === undefined ? {} : readObject(text, problems);
  for (const key of Object.keys(raw)) if (!KEYS.includes(key)) problems.push(unknownKey(key));
  const spec: LambdaSpec = {
    handler: readHandler(own(raw, 'handler'), problems),
    runtime: readChoice(raw, 'runtime', RUNTIMES, problems),
    cors: readCors(own(raw, 'cors'), problems),
    limits: readLimits(raw, terms, problems),
    network: readNetwork({ network: own(raw, 'network'), egress: own(raw, 'egress') }, terms.network_allowed, problems),
    env: Object.hasOwn(raw, 'env') ? readEnv(raw.env, problems) : {},
    zygote: readFlag(raw, 'zygote', problems) ?? true,
    isolation: readChoice(raw, 'isolation', ISOLATIONS, problems) ?? 'instance',
    cancelOnDisconnect: readFlag(raw, 'cancel_on_disconnect', problems) ?? false,
    async: readAsync(own(raw, 'async'), problems),
    schedules: readSchedules(own(raw, 'schedules'), problems),
    keepCalls: readFlag(raw, 'keep_calls', problems) ?? true,
  };
  if (problems.length === 0) return spec;
  const more = problems.length > PROBLEMS_MAX ? `; and ${problems.length - PROBLEMS_MAX} more` : '';
  const listed = problems.slice(0, PROBLEMS_MAX).join('; ');
  throw new Failure('lambda-invalid', `${LAMBDA_FILE}: ${listed}${more}`, { problems });
}

/** Size of /tmp, and of /dev/shm, in MiB: what the limits say, as far as their memory holds it. */
export function tmpMb({ tmp_mb, memory_mb }: Limits): number {
  return Math.min(tmp_mb, Math.floor(memory_mb * TMP_MEMORY_PART));
}

function readObject(text: string, problems: string[]): Record<string, unknown> {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    problems.push(`it is not JSON: ${(error as Error).message}`);
    return {};
  }
  if (isPlain(raw)) return raw;
  problems.push(`${show(raw)} is not a JSON object such as {"memory_mb": 512}`);
  return {};
}

function own(raw: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(raw, key) ? raw[key] : undefined;
}

function unknownKey(key: string): string {
  const guess = nearest(key.slice(0, 64), KEYS);
  return `${show(key)}: there is no such key${guess === undefined ? '' : `; did you mean "${guess}"?`}`;
}

function readLimits(raw: Record<string, unknown>, terms: LambdaTerms, problems: string[]): Limits {
  const limits: Limits = { ...terms.limits };
  for (const key of Object.keys(LIMIT_FIELDS) as (keyof Limits)[]) {
    if (!Object.hasOwn(raw, key)) continue;
    const problem = problemOf(raw[key], LIMIT_FIELDS[key]) ?? aboveCeiling(key, raw[key] as number, terms);
    if (problem === undefined) limits[key] = raw[key] as number;
    else problems.push(`${key}: ${problem}`);
  }
  if (Object.hasOwn(raw, 'tmp_mb') && tmpMb(limits) < limits.tmp_mb) {
    problems.push(
      `tmp_mb: ${limits.tmp_mb} is more than a quarter of memory_mb (${limits.memory_mb}), of which /tmp and /dev/shm are parts`,
    );
  }
  return limits;
}

function aboveCeiling(key: keyof Limits, asked: number, { limits, limits_max }: LambdaTerms): string | undefined {
  // What the template itself gives to everybody is never too much.
  const ceiling = Math.max(limits[key], limits_max[key]);
  if (asked <= ceiling) return undefined;
  const mend = `\`admin setconf '{"limits_max": {"${key}": ${asked}}}'\` allows it`;
  return `${asked} is more than this cluster allows (limits_max.${key} is ${ceiling}; ${mend})`;
}

function readChoice<T extends string>(
  raw: Record<string, unknown>,
  key: string,
  choices: readonly T[],
  problems: string[],
): T | undefined {
  const asked = own(raw, key);
  const choice = choices.find((one) => one === asked);
  if (choice === undefined && asked !== undefined) {
    problems.push(`${key}: ${show(asked)} is not one of ${choices.map((one) => show(one)).join(', ')}`);
  }
  return choice;
}

function readHandler(asked: unknown, problems: string[]): HandlerName | undefined {
  if (asked === undefined) return undefined;
  const handler = typeof asked === 'string' ? parseHandlerName(asked) : undefined;
  if (handler === undefined) problems.push(`handler: ${show(asked)} is not ${HANDLER_NAME_RULE}`);
  return handler;
}

function readFlag(raw: Record<string, unknown>, key: string, problems: string[]): boolean | undefined {
  const asked = own(raw, key);
  if (asked === undefined || typeof asked === 'boolean') return asked;
  problems.push(`${key}: ${show(asked)} is neither true nor false`);
  return undefined;
}

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names that decide which program or library runs, or that the runtime itself tells the truth with. */
const RESERVED_ENV =
  /^(PATH|HOME|USER|LOGNAME|SHELL|ENV|BASH_ENV|IFS|GCONV_PATH|LOCPATH|NLSPATH|GLIBC_TUNABLES|(LD_|PYTHON|MALLOC_|AWS_LAMBDA_|LAMBDA_).*)$/;

function readEnv(raw: unknown, problems: string[]): Record<string, string> {
  if (!isPlain(raw)) {
    problems.push(`env: ${show(raw)} is not a JSON object such as {"MODE": "test"}`);
    return {};
  }
  let bytes = 0;
  for (const [name, value] of Object.entries(raw)) {
    const problem = envProblem(name, value);
    if (problem !== undefined) problems.push(`env.${name.slice(0, 64)}: ${problem}`);
    else bytes += Buffer.byteLength(name) + Buffer.byteLength(value as string);
  }
  if (bytes > ENV_BYTES_MAX) {
    problems.push(`env: its names and values have ${bytes} bytes; ${ENV_BYTES_MAX} are allowed`);
  }
  return raw as Record<string, string>;
}

function envProblem(name: string, value: unknown): string | undefined {
  if (!ENV_NAME.test(name)) return 'a name is made of A-Z a-z 0-9 _ and begins with no digit';
  if (RESERVED_ENV.test(name)) return 'this name is reserved';
  if (typeof value !== 'string') return `${show(value)} is not a string`;
  return /[\0\p{Surrogate}]/u.test(value) ? 'a value may not hold NUL or half a character' : undefined;
}
