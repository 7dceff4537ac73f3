/**
 * The workers of a cluster as its files tell: a locked pid file is a running worker, an unlocked
 * one a worker that died, none a worker that was stopped or never started.
 */
import { existsSync, readdirSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import { readTemplate, readWorkerConfig } from './config-file.ts';
import { type Layout, WORKER_NAME } from './layout.ts';
import { runningPid } from './pid-file.ts';

export interface FleetWorker {
  /** `worker-<N>` */
  name: string;
  index: number;
  state: { kind: 'running'; pid: number } | { kind: 'died' } | { kind: 'stopped' };
  /** Where it listens, if its configuration can be read. */
  address: Address | undefined;
  /** Time its calls in flight get when it stops. */
  graceMs: number;
}

export interface Address {
  host: string;
  port: number;
}

/** Every worker that has left a pid file, a directory or a configuration, by number. */
export function listFleet(layout: Layout): FleetWorker[] {
  return workerNames(layout).map((name) => readFleetWorker(layout, name));
}

/** Where lambdas are looked for: by workers to come, and by those that run, which may have begun with another setting. */
export function registryDirs(layout: Layout): string[] {
  const running = listFleet(layout).filter(({ state }) => state.kind === 'running');
  const dirs = running.flatMap(({ name }) => readable(layout.workerConfig(name))?.registry_dir ?? []);
  return [readTemplate(layout.template).registry_dir, ...dirs];
}

export function workerNames(layout: Layout): string[] {
  const names = new Set([
    ...namesIn(layout.logsDir, '.pid'),
    ...namesIn(layout.workersDir, ''),
    ...namesIn(layout.configDir, '.json'),
  ]);
  return [...names].sort((a, b) => indexOf(a) - indexOf(b));
}

/** Throws Failure if its pid file makes no sense. */
export function readFleetWorker(layout: Layout, name: string): FleetWorker {
  const { address, graceMs } = readAddress(layout.workerConfig(name));
  return { name, index: indexOf(name), state: stateOf(layout.pidFile(name)), address, graceMs };
}

/** The address as a person types it: whoever listens on this machine's own address is at localhost. */
export function urlOf({ host, port }: Address): string {
  const here = ['127.0.0.1', '0.0.0.0', '::1', '::', 'localhost'].includes(host);
  const name = here ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

/** The address to connect to: nobody can connect to "every address". */
export function reachable({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  if (host === '::') return { host: '::1', port };
  return { host, port };
}

function stateOf(pidFile: string): FleetWorker['state'] {
  const pid = runningPid(pidFile);
  if (pid !== undefined) return { kind: 'running', pid };
  return existsSync(pidFile) ? { kind: 'died' } : { kind: 'stopped' };
}

/** A worker whose configuration was removed or damaged can still be killed; only its address is unknown. */
function readAddress(config: string): { address: Address | undefined; graceMs: number } {
  const settings = readable(config);
  if (settings === undefined) return { address: undefined, graceMs: 0 };
  const { worker_host, worker_port, grace_ms } = settings;
  return { address: { host: worker_host, port: worker_port }, graceMs: grace_ms };
}

/** Undefined if the configuration was removed or damaged. */
function readable(config: string): WorkerSettings | undefined {
  try {
    return readWorkerConfig(config);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function namesIn(dir: string, ending: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, file.length - ending.length))
    .filter((name) => WORKER_NAME.test(name));
}

function indexOf(name: string): number {
  return Number(name.slice('worker-'.length));
}
