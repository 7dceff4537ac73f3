/**
 * The one strict parser of settings. Unknown keys, wrong types and values out of range are all
 * reported at once; missing keys take their defaults; paths come out absolute.
 */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { nearest } from '../lib/edit-distance.ts';
import { Failure } from './failure.ts';
import { type Field, legalValues } from './field.ts';
import { DOCKER_FIELDS, everyField, FIELDS } from './fields.ts';
import { CEILING_FIELDS, LIMIT_FIELDS } from './limit-fields.ts';
import { PORT_MAX } from './limits.ts';
import { openlambdaTwin } from './openlambda-keys.ts';
import type { Settings, WorkerSettings } from './settings.ts';

/** Where a configuration was read, for paths and messages. */
export interface Origin {
  /** What to call it in a message: a file, or `the command line`. */
  name: string;
  /** Relative paths in it start here. */
  dir: string;
  /** Defaults such as `registry` start here: the cluster's root. */
  rootDir: string;
}

/** Loosely: the daemon judges; what is no name at all is told at once. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._\-/:@]{0,254}$/;

const WORKER_ONLY_KEYS = ['worker_port', 'worker_dir', 'logs_dir', 'pid_file'];

/** Throws Failure `config-invalid` with all problems. */
export function parseSettings(raw: unknown, origin: Origin): Settings {
  const problems: string[] = [];
  const settings = readSettings(raw, { origin, problems, alsoKnown: [] });
  refuse(problems, origin);
  return settings;
}

/** As parseSettings, for a worker's own file, which also names its port and directory. */
export function parseWorkerSettings(raw: unknown, origin: Origin): WorkerSettings {
  const problems: string[] = [];
  const own = isPlain(raw) ? raw : {};
  const { worker_port = 8080, worker_dir = 'workers/default', logs_dir = 'logs', pid_file = '', ...rest } = own;
  const settings = readSettings(isPlain(raw) ? rest : raw, { origin, problems, alsoKnown: WORKER_ONLY_KEYS });
  const port = readPort(worker_port, problems);
  for (const [key, value] of Object.entries({ worker_dir, logs_dir, pid_file })) {
    const given = isPlain(raw) && raw[key] !== undefined;
    if (given && !isText(value)) problems.push(`${key}: ${show(value)} is not a path`);
  }
  refuse(problems, origin);
  const baseOf = (key: string) => (own[key] === undefined ? origin.rootDir : origin.dir);
  return {
    ...settings,
    worker_port: port,
    worker_dir: resolve(baseOf('worker_dir'), worker_dir as string),
    logs_dir: resolve(baseOf('logs_dir'), logs_dir as string),
    pid_file: pid_file === '' ? '' : resolve(origin.dir, pid_file as string),
  };
}

/** What a new cluster starts with. */
export function defaultSettings(rootDir: string): Settings {
  return parseSettings({}, { name: 'the defaults', dir: rootDir, rootDir });
}

function refuse(problems: readonly string[], origin: Origin): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  throw new Failure('config-invalid', `${origin.name} has ${count}`, { problems });
}

interface Reading {
  origin: Origin;
  problems: string[];
  /** Keys that the file may have besides the table's, for suggestions. */
  alsoKnown: readonly string[];
}

function readSettings(raw: unknown, reading: Reading): Settings {
  const { problems } = reading;
  if (!isPlain(raw)) {
    problems.push(`${show(raw)} is not a JSON object such as {"pool_size": 8}`);
    return {} as Settings;
  }
  const { docker: rawDocker = {}, limits: rawLimits = {}, limits_max: rawCeilings = {}, ...rest } = raw;
  const top = readFields(rest, FIELDS, { ...reading, prefix: '' });
  const docker = readGroup(rawDocker, 'docker', { fields: DOCKER_FIELDS, reading });
  const limits = readGroup(rawLimits, 'limits', { fields: LIMIT_FIELDS, reading });
  const limits_max = readGroup(rawCeilings, 'limits_max', { fields: CEILING_FIELDS, reading });
  if (docker === undefined || limits === undefined || limits_max === undefined) return top as unknown as Settings;
  const settings = { ...top, docker, limits, limits_max } as unknown as Settings;
  // A full /tmp must say "no space left", not get the sandbox killed for its memory.
  const judged = problems.some((problem) => /^limits\.(tmp|memory)_mb:/.test(problem));
  if (!judged && settings.limits.tmp_mb >= settings.limits.memory_mb) {
    problems.push(
      `limits.tmp_mb: ${settings.limits.tmp_mb} is not less than limits.memory_mb (${settings.limits.memory_mb}), of which /tmp is a part`,
    );
  }
  if (settings.packages_resolver === 'uv' && settings.packages_build !== 'off') {
    problems.push(
      `packages_resolver: "uv" would run the sources that packages_build ("${settings.packages_build}") has built in a sandbox; set one of them to its default`,
    );
  }
  return settings;
}

function readGroup(
  raw: unknown,
  name: string,
  { fields, reading }: { fields: Readonly<Record<string, Field>>; reading: Reading },
) {
  if (isPlain(raw)) return readFields(raw, fields, { ...reading, prefix: `${name}.` });
  reading.problems.push(`${name}: ${show(raw)} is not a JSON object such as {"memory_mb": 512}`);
  return undefined;
}

function readFields(
  raw: Record<string, unknown>,
  fields: Readonly<Record<string, Field>>,
  { origin, problems, alsoKnown, prefix }: Reading & { prefix: string },
) {
  for (const key of Object.keys(raw)) {
    if (!Object.hasOwn(fields, key)) problems.push(unknownKey(`${prefix}${key}`, alsoKnown));
  }
  const values: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(fields)) {
    const given = Object.hasOwn(raw, key);
    const value = given ? raw[key] : field.initial;
    const problem = problemOf(value, field);
    if (problem !== undefined) problems.push(`${prefix}${key}: ${problem}`);
    values[key] = problem === undefined ? settled(value, field, given ? origin.dir : origin.rootDir) : field.initial;
  }
  return values;
}

function unknownKey(key: string, alsoKnown: readonly string[]): string {
  if (WORKER_ONLY_KEYS.includes(key)) return `${key}: belongs to a single worker; \`admin workers --port\` sets it`;
  const twin = openlambdaTwin(key);
  if (twin !== undefined) return `${key}: ${twin}`;
  const names = everyField().map(([name]) => name);
  // `memory_mb` at the top is meant as `limits.memory_mb`: the word matters more than its place.
  const guess =
    names.find((name) => name === `limits.${key}`) ??
    nearest(key, [...names, 'docker', 'limits', 'limits_max', ...alsoKnown]);
  return guess === undefined
    ? `${key}: there is no such setting`
    : `${key}: there is no such setting; did you mean "${guess}"?`;
}

/** What is wrong with a value, if anything is. */
export function problemOf(value: unknown, field: Field): string | undefined {
  const wrong = `${show(value)} is not ${legalValues(field)}`;
  switch (field.kind) {
    case 'choice':
      return typeof value === 'string' && field.choices.includes(value) ? undefined : wrong;
    case 'choices':
      return Array.isArray(value) && value.every((one) => field.choices.includes(one)) ? undefined : wrong;
    case 'integer': {
      if (!Number.isSafeInteger(value)) return wrong;
      const { min, max, why } = field.bound;
      if ((value as number) >= min && (value as number) <= max) return undefined;
      const reason = (value as number) < min ? why.min : why.max;
      return reason === undefined ? wrong : `${wrong}: ${reason}`;
    }
    case 'directory':
      return isText(value) && value !== '' ? undefined : wrong;
    case 'path':
      return isText(value) && (value !== '' || field.words.includes('')) ? undefined : wrong;
    case 'address':
      return typeof value === 'string' && (isIP(value) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(value))
        ? undefined
        : wrong;
    case 'url':
      return value === '' || (isText(value) && isHttpUrl(value)) ? undefined : wrong;
    case 'image':
      return isText(value) && IMAGE.test(value) ? undefined : wrong;
    case 'server':
      return value === '' || (isText(value) && serverUrl(value) !== undefined) ? undefined : wrong;
    case 'word':
      return typeof value === 'string' && field.pattern.test(value) ? undefined : wrong;
  }
}

/** The settings with a gateway that is not the cluster's own; as they are if none is given. Throws Failure `usage`. */
export function atGateway<S extends Settings>(settings: S, address: string | undefined): S {
  if (address === undefined) return settings;
  const gateway = serverUrl(address);
  if (gateway !== undefined) return { ...settings, gateway };
  throw new Failure('usage', `${show(address)} is not the address of a gateway, such as http://127.0.0.1:8090`);
}

/** The settings with another store than their own; as they are if none is given. Throws Failure `usage`. */
export function atServer(settings: Settings, address: string | undefined): Settings {
  if (address === undefined) return settings;
  const registry_server = serverUrl(address);
  if (registry_server !== undefined) return { ...settings, registry: 'remote', registry_server };
  throw new Failure('usage', `${show(address)} is not the address of a registry, such as http://127.0.0.1:9000`);
}

/** OpenLambda wrote `host:port`. */
function serverUrl(value: string): string | undefined {
  const text = value.includes('://') ? value : `http://${value}`;
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, origin, href } = new URL(text);
  const bare = host !== '' && (href === `${origin}/` || href === origin);
  return bare && ['http:', 'https:'].includes(protocol) ? origin : undefined;
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^\s]+$/.test(text) && URL.canParse(text);
}

/** The value as the program uses it: paths absolute. */
function settled(value: unknown, field: Field, dir: string): unknown {
  if (field.kind === 'directory') return resolve(dir, value as string);
  if (field.kind === 'path' && !field.words.includes(value as string)) return resolve(dir, value as string);
  if (field.kind === 'server') return serverUrl(value as string) ?? '';
  return value;
}

/** OpenLambda wrote the port as a string; a number is as good. */
function readPort(value: unknown, problems: string[]): number {
  const port = typeof value === 'string' && /^[0-9]{1,5}$/.test(value) ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return port;
  problems.push(`worker_port: ${show(value)} is not a port from 0 to ${PORT_MAX} (0 takes a free one)`);
  return 0;
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A NUL would end the path early in the kernel's eyes. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0');
}

/** A value as a message shows it. */
export function show(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}
