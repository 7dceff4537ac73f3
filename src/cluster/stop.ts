/**
 * Stopping the workers of a cluster. One is gone when its pid file's lock is free and its port
 * closed; then whatever it or a crashed predecessor left behind is reclaimed, and its pid file
 * removed last, so that a kill that was interrupted can be repeated.
 */
import { mkdirSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { KILL_WAIT_MS, STOP_MARGIN_MS } from '../config/limits.ts';
import { errnoOf } from '../lib/errno.ts';
import { portClosed } from '../lib/port.ts';
import { type Address, reachable, readFleetWorker, workerNames } from './fleet.ts';
import type { Layout } from './layout.ts';
import { removeUnheld, type WatchedPidFile, watchPidFile } from './pid-file.ts';

export interface StopOrder {
  layout: Layout;
  /** Ends and removes what a worker left behind, given its directory. */
  reclaim: (workerDir: string) => Promise<void>;
  /** What a worker may take on top of its `grace_ms`. */
  marginMs?: number;
  /** Told what happens, as it happens. */
  report: (event: StopEvent) => void;
}

export type StopEvent =
  | { kind: 'stopping'; name: string; pid: number }
  | { kind: 'killing'; name: string; pid: number }
  | { kind: 'stopped'; name: string; pid: number }
  | { kind: 'had-died'; name: string };

/** Stops all; one that can not be stopped does not keep the others. The failures are returned. */
export async function stopFleet(order: StopOrder): Promise<Failure[]> {
  const results = await Promise.all(workerNames(order.layout).map((name) => stopOne(order, name)));
  return results.filter((result) => result !== undefined);
}

async function stopOne(order: StopOrder, name: string): Promise<Failure | undefined> {
  try {
    const worker = readFleetWorker(order.layout, name);
    if (worker.state.kind === 'running') {
      const { pid } = worker.state;
      const graceMs = worker.graceMs + (order.marginMs ?? STOP_MARGIN_MS);
      const running = { name, pid, pidFile: order.layout.pidFile(name), address: worker.address, graceMs };
      await stopRunning(running, order.report);
    }
    const dir = order.layout.workerDir(name);
    // What it left is found by its directory's path, even if somebody removed the directory itself.
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    await order.reclaim(dir);
    await removeUnheld(order.layout.pidFile(name));
    if (worker.state.kind === 'running') order.report({ kind: 'stopped', name, pid: worker.state.pid });
    if (worker.state.kind === 'died') order.report({ kind: 'had-died', name });
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error;
    return new Failure(
      'worker-failed',
      `${name} could not be stopped: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
}

export interface RunningProcess {
  name: string;
  pid: number;
  pidFile: string;
  address: Address | undefined;
  /** What it may take before it is killed. */
  graceMs: number;
}

/** TERM, grace, KILL. Resolves when it is gone; throws Failure `worker-failed` if it can not be stopped. */
export async function stopRunning(running: RunningProcess, report: StopOrder['report']): Promise<void> {
  // Opened before the signal: a server that stops removes the file while it still lives.
  const lock = watchPidFile(running.pidFile);
  try {
    await endProcess(running, lock, report);
  } finally {
    lock.close();
  }
  // The kernel closes a dead process's descriptors one by one: the lock may go before the port.
  if (running.address !== undefined) {
    const { host, port } = reachable(running.address);
    await portClosed(host, port, 500);
  }
}

async function endProcess(
  { name, pid, graceMs }: RunningProcess,
  lock: WatchedPidFile,
  report: StopOrder['report'],
): Promise<void> {
  report({ kind: 'stopping', name, pid });
  signal(pid, 'SIGTERM', name);
  if (await lock.free(graceMs)) return;
  report({ kind: 'killing', name, pid });
  if (!(await lock.free(0))) signal(pid, 'SIGKILL', name);
  if (await lock.free(KILL_WAIT_MS)) return;
  throw new Failure(
    'worker-failed',
    `${name} (pid ${pid}) does not end even of SIGKILL; a file system that hangs holds it`,
  );
}

function signal(pid: number, name: NodeJS.Signals, worker: string): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return; // It ended by itself just now.
    throw new Failure(
      'worker-failed',
      `${worker} (pid ${pid}) belongs to another user; run this as that user or as root`,
      {
        cause: error,
      },
    );
  }
}
