/** The gateway of a cluster, as its files tell, and its start and stop: like a worker, and no worker. */
import { existsSync, mkdirSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { GATEWAY_GRACE_MS, PORT_MAX, STOP_MARGIN_MS } from '../config/limits.ts';
import { isPlain } from '../config/parse.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { portProblem } from '../lib/port.ts';
import { readJson } from './config-file.ts';
import type { Address } from './fleet.ts';
import type { Layout } from './layout.ts';
import { removeUnheld, runningPid } from './pid-file.ts';
import { type Program, spawnServer } from './spawn-worker.ts';
import { type StopOrder, stopRunning } from './stop.ts';

/** The name under which it is spoken of, beside `worker-0`. */
export const GATEWAY_NAME = 'gateway';

export const GATEWAY_PORT = 8_090;

export interface GatewayState {
  state: { kind: 'running'; pid: number } | { kind: 'died' } | { kind: 'stopped' };
  /** Where it listens, or did last. */
  address: Address | undefined;
}

export interface GatewayOrder {
  layout: Layout;
  address: Address;
  /** What `gateway-exec` is told besides its cluster, host and port. */
  args: readonly string[];
  program: Program;
  /** Aborted when whoever asked no longer waits; it is stopped then. */
  signal: AbortSignal;
}

export interface StartedGateway {
  pid: number;
  address: Address;
  log: string;
  /** It ran before. */
  already: boolean;
}

export function readGateway(layout: Layout): GatewayState {
  const pid = runningPid(layout.gatewayPidFile);
  const address = readAddress(layout.gatewayConfig);
  if (pid !== undefined) return { state: { kind: 'running', pid }, address };
  return { state: { kind: existsSync(layout.gatewayPidFile) ? 'died' : 'stopped' }, address };
}

/** Keeps where it listens, for `status` and the next start. */
export function writeGatewayAddress(layout: Layout, { host, port }: Address): void {
  writeFileAtomic(layout.gatewayConfig, `${JSON.stringify({ host, port }, null, 2)}\n`);
}

/**
 * Resolves when it serves. One that runs already at that port is left as it is. Throws Failure `conflict` (another
 * one runs, the port is taken) or `worker-failed`, with everything as it was before.
 */
export async function startGateway(order: GatewayOrder): Promise<StartedGateway> {
  const { layout, address } = order;
  const before = readGateway(layout);
  if (before.state.kind === 'running') return alreadyRunning(order, before.state.pid, before.address);
  const problem = address.port === 0 ? undefined : await portProblem(address.host, address.port);
  if (problem !== undefined) {
    const what = problem === 'EADDRINUSE' ? 'is taken by another program' : `can not be listened on (${problem})`;
    throw new Failure(
      'conflict',
      `port ${address.port} of ${address.host} ${what}; choose another with --port or --host`,
    );
  }
  mkdirSync(layout.logsDir, { recursive: true, mode: 0o700 });
  try {
    return await spawnGateway(order);
  } catch (error) {
    if (before.state.kind === 'stopped') await removeUnheld(layout.gatewayPidFile);
    throw error;
  }
}

/** Stops it, if it runs. */
export async function stopGateway(layout: Layout, report: StopOrder['report']): Promise<void> {
  const { state, address } = readGateway(layout);
  const pidFile = layout.gatewayPidFile;
  const name = GATEWAY_NAME;
  if (state.kind === 'running') {
    const { pid } = state;
    await stopRunning({ name, pid, pidFile, address, graceMs: GATEWAY_GRACE_MS + STOP_MARGIN_MS }, report);
    await removeUnheld(pidFile);
    report({ kind: 'stopped', name, pid });
  } else if (state.kind === 'died') {
    await removeUnheld(pidFile);
    report({ kind: 'had-died', name });
  }
}

function alreadyRunning({ layout, address }: GatewayOrder, pid: number, there: Address | undefined): StartedGateway {
  if (there !== undefined && (address.port === 0 || address.port === there.port)) {
    return { pid, address: there, log: layout.gatewayLog, already: true };
  }
  throw new Failure(
    'conflict',
    `the gateway of this cluster runs already (pid ${pid}) on port ${there?.port ?? 'unknown'}; stop it with \`admin kill\` first`,
  );
}

async function spawnGateway({ layout, address, args, program, signal }: GatewayOrder): Promise<StartedGateway> {
  const log = layout.gatewayLog;
  const where = [`--cluster=${layout.root}`, `--host=${address.host}`, `--port=${address.port}`];
  const server = spawnServer({
    program,
    name: GATEWAY_NAME,
    log,
    args: [program.main, 'gateway-exec', ...where, ...args],
    env: process.env,
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

/** Undefined if the file was removed or damaged: the gateway can still be killed. */
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
