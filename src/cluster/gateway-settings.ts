/**
 * How a gateway is configured: flags of the command line, then variables of the environment, then the first
 * `manager.toml` that there is, as Backend.AI's own gateway looks for it, then what it had last.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { Failure } from '../config/failure.ts';
import { PORT_MAX } from '../config/limits.ts';
import { isPlain } from '../config/parse.ts';
import type { LogLevel } from '../lib/log.ts';

export interface GatewaySettings {
  host: string | undefined;
  port: number | undefined;
  logLevel: LogLevel | undefined;
  /** After so long without a word of an agent it is lost. In seconds. */
  heartbeatTimeoutS: number | undefined;
}

export interface ReadSettings {
  settings: GatewaySettings;
  /** Which file it was; undefined if there is none. */
  file: string | undefined;
  /** Of keys in it that mean nothing here. */
  warnings: string[];
}

export interface SettingsOrder {
  flags: Readonly<Record<string, unknown>>;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** The last place of the file; /etc/backend.ai unless it is said. */
  systemDir?: string;
}

const SYSTEM_DIR = '/etc/backend.ai';

/** Of the timeout, in seconds. */
const HEARTBEAT_S_LEAST = 4;
const HEARTBEAT_S_MAX = 3_600;
export const HEARTBEAT_RANGE = `from ${HEARTBEAT_S_LEAST} to ${HEARTBEAT_S_MAX}`;

const LEVELS: Readonly<Record<string, LogLevel>> = {
  TRACE: 'trace',
  NOTSET: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  WARNING: 'warn',
  ERROR: 'error',
  CRITICAL: 'error',
};

/** Throws Failure `usage` or `config-invalid` with all that is wrong. */
export function readGatewaySettings(order: SettingsOrder): ReadSettings {
  const file = fileOf(order);
  const problems: string[] = [];
  const warnings: string[] = [];
  const ofFile = file === undefined ? NOTHING : readFile(file, problems, warnings);
  if (problems.length > 0) throw new Failure('config-invalid', `${file} can not be used`, { problems });
  const ofEnvironment = readEnvironment(order.env, problems);
  if (problems.length > 0) throw new Failure('usage', 'the environment is wrong', { problems });
  const { host, port, logLevel, heartbeatTimeout } = order.flags;
  return {
    file,
    warnings,
    settings: {
      host: (host as string | undefined) ?? ofEnvironment.host ?? ofFile.host,
      port: (port as number | undefined) ?? ofEnvironment.port ?? ofFile.port,
      logLevel: (logLevel as LogLevel | undefined) ?? ofEnvironment.logLevel ?? ofFile.logLevel,
      heartbeatTimeoutS:
        (heartbeatTimeout as number | undefined) ?? ofEnvironment.heartbeatTimeoutS ?? ofFile.heartbeatTimeoutS,
    },
  };
}

const NOTHING: GatewaySettings = {
  host: undefined,
  port: undefined,
  logLevel: undefined,
  heartbeatTimeoutS: undefined,
};

function fileOf({ flags, env, cwd, systemDir = SYSTEM_DIR }: SettingsOrder): string | undefined {
  const named = (flags.config as string | undefined) ?? (env.ISLA_GATEWAY_CONFIG || undefined);
  if (named !== undefined) {
    const path = resolve(cwd, named);
    if (existsSync(path)) return path;
    throw new Failure('config-missing', `there is no ${path}`);
  }
  const places = [cwd, join(env.HOME ?? homedir(), '.config', 'backend.ai'), systemDir];
  return places.map((place) => join(place, 'manager.toml')).find((path) => existsSync(path));
}

function readEnvironment(env: SettingsOrder['env'], problems: string[]): GatewaySettings {
  const either = (...names: string[]) => names.map((name) => env[name]).find((value) => value);
  const port = either('ISLA_GATEWAY_PORT', 'BACKEND_SERVICE_PORT');
  const level = either('ISLA_GATEWAY_LOG_LEVEL');
  const beat = either('ISLA_GATEWAY_HEARTBEAT_TIMEOUT');
  return {
    host: either('ISLA_GATEWAY_HOST', 'BACKEND_SERVICE_IP'),
    port: port === undefined ? undefined : portOf(Number(port), 'ISLA_GATEWAY_PORT', problems),
    logLevel: level === undefined ? undefined : levelOf(level, 'ISLA_GATEWAY_LOG_LEVEL', problems),
    heartbeatTimeoutS:
      beat === undefined ? undefined : heartbeatOf(Number(beat), 'ISLA_GATEWAY_HEARTBEAT_TIMEOUT', problems),
  };
}

function readFile(file: string, problems: string[], warnings: string[]): GatewaySettings {
  let raw: unknown;
  try {
    raw = parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new Failure('config-invalid', `${file} is not TOML: ${why}`, { cause });
  }
  const top = tableOf(raw);
  const manager = tableOf(top.manager);
  const address = tableOf(manager['service-addr']);
  const logging = tableOf(top.logging);
  const debug = tableOf(top.debug).enabled === true;
  warnOfUnknown(top, { file, manager, logging, warnings });
  const { host, port } = address;
  if (host !== undefined && typeof host !== 'string') problems.push('manager.service-addr.host is no text');
  const level = logging.level === undefined ? undefined : levelOf(String(logging.level), 'logging.level', problems);
  const beat = manager['heartbeat-timeout'];
  return {
    host: typeof host === 'string' ? host : undefined,
    port: port === undefined ? undefined : portOf(port, 'manager.service-addr.port', problems),
    logLevel: debug ? 'debug' : level,
    heartbeatTimeoutS: beat === undefined ? undefined : heartbeatOf(beat, 'manager.heartbeat-timeout', problems),
  };
}

/** There is no such part in Isla, or it needs no setting: etcd, a database server, Docker registries. */
function warnOfUnknown(
  top: Record<string, unknown>,
  {
    file,
    manager,
    logging,
    warnings,
  }: Record<'manager' | 'logging', Record<string, unknown>> & {
    file: string;
    warnings: string[];
  },
): void {
  const unknown = [
    ...Object.keys(top).filter((key) => !['manager', 'logging', 'debug'].includes(key)),
    ...Object.keys(manager)
      .filter((key) => key !== 'service-addr' && key !== 'heartbeat-timeout')
      .map((key) => `manager.${key}`),
    ...Object.keys(logging)
      .filter((key) => key !== 'level')
      .map((key) => `logging.${key}`),
  ];
  if (unknown.length > 0) warnings.push(`${file}: these mean nothing to Isla: ${unknown.join(', ')}`);
}

function tableOf(value: unknown): Record<string, unknown> {
  return isPlain(value) ? value : {};
}

function portOf(value: unknown, name: string, problems: string[]): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= PORT_MAX) return value;
  problems.push(`${name} is no port from 0 to ${PORT_MAX}`);
  return undefined;
}

/** Agents say every 3 s that they live: less than one word would be lost time and again. */
export function isHeartbeatTimeout(seconds: unknown): seconds is number {
  return typeof seconds === 'number' && seconds >= HEARTBEAT_S_LEAST && seconds <= HEARTBEAT_S_MAX;
}

function heartbeatOf(value: unknown, name: string, problems: string[]): number | undefined {
  if (isHeartbeatTimeout(value)) return value;
  problems.push(`${name} is no number of seconds ${HEARTBEAT_RANGE}`);
  return undefined;
}

function levelOf(text: string, name: string, problems: string[]): LogLevel | undefined {
  const level = LEVELS[text.toUpperCase()];
  if (level === undefined)
    problems.push(`${name} is ${JSON.stringify(text)}, not one of ${Object.keys(LEVELS).join(', ')}`);
  return level;
}
