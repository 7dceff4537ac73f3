/** The registry's server of a cluster, as its files tell, and its start and stop: like a worker, and no worker. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { PORT_MAX, REGISTRY_GRACE_MS, STOP_MARGIN_MS } from '../config/limits.ts';
import { isPlain } from '../config/parse.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { portProblem } from '../lib/port.ts';
import { readJson } from './config-file.ts';
import { type Address, reachable } from './fleet.ts';
import type { Layout } from './layout.ts';
import { removeUnheld, runningPid } from './pid-file.ts';
import { type RegistryKeys, readRegistryKeys, writeRegistryKeys } from './registry-keys.ts';
import { type Program, spawnServer } from './spawn-worker.ts';
import { type StopOrder, stopRunning } from './stop.ts';

/** The name under which it is spoken of, beside `worker-0`. */
export const REGISTRY_NAME = 'registry';

export interface RegistryState {
  state: { kind: 'running'; pid: number } | { kind: 'died' } | { kind: 'stopped' };
  /** Where it listens, or did last. */
  address: Address | undefined;
}

export interface RegistryOrder {
  layout: Layout;
  address: Address;
  keys: RegistryKeys;
  keysFile: string;
  program: Program;
  /** Aborted when whoever asked no longer waits; it is stopped then. */
  signal: AbortSignal;
}

export interface StartedRegistry {
  pid: number;
  address: Address;
  log: string;
  /** It ran before. */
  already: boolean;
}

export function readRegistry(layout: Layout): RegistryState {
  const pid = runningPid(layout.registryPidFile);
  const address = readAddress(layout.registryConfig);
  if (pid !== undefined) return { state: { kind: 'running', pid }, address };
  return { state: { kind: existsSync(layout.registryPidFile) ? 'died' : 'stopped' }, address };
}

/** Where its clients are: those of this machine, if it listens at every address. */
export function registryUrl(address: Address): string {
  const { host, port } = reachable(address);
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Resolves when it serves. One that runs already with the same keys, at that port, is left as it is. Throws
 * Failure `conflict` (another one runs, the port is taken) or `worker-failed`, with everything as it was before.
 */
export async function startRegistry(order: RegistryOrder): Promise<StartedRegistry> {
  const { layout, keys, keysFile, address } = order;
  const before = readRegistry(layout);
  const keysBefore = readRegistryKeys(keysFile);
  if (before.state.kind === 'running') return alreadyRunning(order, before, keysBefore);
  await refuseTakenPort(address);
  mkdirSync(layout.logsDir, { recursive: true, mode: 0o700 });
  writeRegistryKeys(keysFile, keys);
  try {
    return await spawnRegistry(order);
  } catch (error) {
    if (keysBefore === undefined) rmSync(keysFile, { force: true });
    else writeRegistryKeys(keysFile, keysBefore);
    if (before.state.kind === 'stopped') await removeUnheld(layout.registryPidFile);
    throw error;
  }
}

/** Stops it, if it runs. */
export async function stopRegistry(layout: Layout, report: StopOrder['report']): Promise<void> {
  const { state, address } = readRegistry(layout);
  const pidFile = layout.registryPidFile;
  const name = REGISTRY_NAME;
  if (state.kind === 'running') {
    const { pid } = state;
    await stopRunning({ name, pid, pidFile, address, graceMs: REGISTRY_GRACE_MS + STOP_MARGIN_MS }, report);
    await removeUnheld(pidFile);
    report({ kind: 'stopped', name, pid });
  } else if (state.kind === 'died') {
    await removeUnheld(pidFile);
    report({ kind: 'had-died', name });
  }
}

/** Keeps where it listens, for `status` and the next start. */
export function writeRegistryAddress(layout: Layout, { host, port }: Address): void {
  writeFileAtomic(layout.registryConfig, `${JSON.stringify({ host, port }, null, 2)}\n`);
}

function alreadyRunning(
  { layout, address, keys }: RegistryOrder,
  { state, address: there }: RegistryState,
  keysThere: RegistryKeys | undefined,
): StartedRegistry {
  const pid = state.kind === 'running' ? state.pid : 0;
  const samePort = there !== undefined && (address.port === 0 || address.port === there.port);
  const sameKeys = keysThere?.accessKey === keys.accessKey && keysThere.secretKey === keys.secretKey;
  if (samePort && sameKeys) return { pid, address: there, log: layout.registryLog, already: true };
  const other = samePort ? 'with other keys' : `on port ${there?.port ?? 'unknown'}`;
  throw new Failure(
    'conflict',
    `the registry of this cluster runs already (pid ${pid}) ${other}; stop it with \`admin kill\` first`,
  );
}

async function refuseTakenPort({ host, port }: Address): Promise<void> {
  const problem = port === 0 ? undefined : await portProblem(host, port);
  if (problem === undefined) return;
  const what = problem === 'EADDRINUSE' ? 'is taken by another program' : `can not be listened on (${problem})`;
  throw new Failure('conflict', `port ${port} of ${host} ${what}; choose another with --port or --host`);
}

async function spawnRegistry({ layout, address, program, signal }: RegistryOrder): Promise<StartedRegistry> {
  const log = layout.registryLog;
  const where = [`--cluster=${layout.root}`, `--host=${address.host}`, `--port=${address.port}`];
  const { ISLA_REGISTRY_ACCESS_KEY: _a, ISLA_REGISTRY_SECRET_KEY: _s, ...env } = process.env;
  const server = spawnServer({
    program,
    name: REGISTRY_NAME,
    log,
    args: [program.main, 'registry-exec', ...where],
    env,
  });
  try {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const { pid, port } = await Promise.race([server.ready, aborted]);
    server.detach();
    return { pid, address: { host: address.host, port }, log, already: false };
  } catch (error) {
    await server.stop(STOP_MARGIN_MS);
    throw error;
  }
}

/** Undefined if the file was removed or damaged: the server can still be killed. */
function readAddress(file: string): Address | undefined {
  if (!existsSync(file)) return undefined;
  let raw: unknown;
  try {
    raw = readJson(file);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
  if (!isPlain(raw) || typeof raw.host !== 'string' || typeof raw.port !== 'number') return undefined;
  return raw.port > 0 && raw.port <= PORT_MAX ? { host: raw.host, port: raw.port } : undefined;
}
