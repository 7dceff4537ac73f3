/** A server of a cluster beside its workers (its gateway, its registry), as its files tell, and its start and stop. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../config/failure.ts';
import { PORT_MAX, STOP_MARGIN_MS } from '../config/limits.ts';
import { isPlain } from '../config/parse.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { portProblem } from '../lib/port.ts';
import { readJson } from './config-file.ts';
import type { Address } from './fleet.ts';
import { removeUnheld, runningPid } from './pid-file.ts';
import { type Program, spawnServer } from './spawn-worker.ts';
import { type StopOrder, stopRunning } from './stop.ts';

export interface Server {
  /** Under which it is spoken of, beside `worker-0`. */
  name: string;
  pidFile: string;
  /** Keeps where it listens. */
  addressFile: string;
  log: string;
  /** Time its requests in flight get when it stops. */
  graceMs: number;
}

export interface ServerState {
  state: { kind: 'running'; pid: number } | { kind: 'died' } | { kind: 'stopped' };
  /** Where it listens, or did last. */
  address: Address | undefined;
}

export interface StartedServer {
  pid: number;
  address: Address;
  log: string;
  /** It ran before. */
  already: boolean;
}

export interface ServerOrder {
  address: Address;
  /** The command that serves, and what it is told besides its host and port. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  program: Program;
  /** Aborted when whoever asked no longer waits; it is stopped then. */
  signal: AbortSignal;
}

export function readServer(server: Server): ServerState {
  const pid = runningPid(server.pidFile);
  const address = readAddress(server.addressFile);
  if (pid !== undefined) return { state: { kind: 'running', pid }, address };
  return { state: { kind: existsSync(server.pidFile) ? 'died' : 'stopped' }, address };
}

/** Keeps where it listens, for `status` and the next start. */
export function writeServerAddress({ addressFile }: Server, { host, port }: Address): void {
  writeFileAtomic(addressFile, `${JSON.stringify({ host, port }, null, 2)}\n`);
}

/** Throws Failure `conflict`. */
export async function refuseTakenPort({ host, port }: Address): Promise<void> {
  const problem = port === 0 ? undefined : await portProblem(host, port);
  if (problem === undefined) return;
  const what = problem === 'EADDRINUSE' ? 'is taken by another program' : `can not be listened on (${problem})`;
  throw new Failure('conflict', `port ${port} of ${host} ${what}; choose another with --port or --host`);
}

/** Starts one that does not run, and resolves when it serves. Throws Failure `worker-failed`, with no pid file more than before. */
export async function startServer(server: Server, order: ServerOrder): Promise<StartedServer> {
  const { log, name, pidFile } = server;
  const { address, program, env, signal } = order;
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const hadDied = existsSync(pidFile);
  const args = [program.main, ...order.args, `--host=${address.host}`, `--port=${address.port}`];
  const spawned = spawnServer({ program, name, log, args, env });
  try {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const { pid, port } = await Promise.race([spawned.ready, aborted]);
    spawned.detach();
    return { pid, address: { host: address.host, port }, log, already: false };
  } catch (error) {
    await spawned.stop(STOP_MARGIN_MS);
    if (!hadDied) await removeUnheld(pidFile);
    throw error;
  }
}

/** Stops it, if it runs. */
export async function stopServer(server: Server, report: StopOrder['report']): Promise<void> {
  const { name, pidFile, graceMs } = server;
  const { state, address } = readServer(server);
  if (state.kind === 'running') {
    const { pid } = state;
    await stopRunning({ name, pid, pidFile, address, graceMs: graceMs + STOP_MARGIN_MS }, report);
    await removeUnheld(pidFile);
    report({ kind: 'stopped', name, pid });
  } else if (state.kind === 'died') {
    await removeUnheld(pidFile);
    report({ kind: 'had-died', name });
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
