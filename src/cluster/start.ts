/**
 * Starting the workers of a cluster: all that are wanted or none of those that were just started.
 * Those that run already and are wanted stay as they are; any other running worker is a conflict.
 */
import { mkdirSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { PORT_MAX, STOP_MARGIN_MS, WORKERS_MAX } from '../config/limits.ts';
import { atGateway } from '../config/parse.ts';
import type { Settings } from '../config/settings.ts';
import { portProblem } from '../lib/port.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import { readTemplate } from './config-file.ts';
import { type FleetWorker, listFleet } from './fleet.ts';
import type { Layout } from './layout.ts';
import { removeUnheld } from './pid-file.ts';
import { type Program, type SpawnedServer, spawnWorker } from './spawn-worker.ts';
import { workerSettings, writeWorkerConfig } from './worker-config.ts';

export interface StartOrder {
  layout: Layout;
  count: number;
  /** Of worker 0; the others follow. 0 gives each a free one. */
  port: number;
  program: Program;
  /** URL of a gateway that they join, if it is not the one of the settings. */
  gateway?: string | undefined;
  /** Aborted when whoever asked no longer waits; everything just started is stopped then. */
  signal: AbortSignal;
}

export interface StartedWorker {
  name: string;
  pid: number;
  port: number;
  log: string;
  /** It ran before. */
  already: boolean;
}

interface Plan {
  running: StartedWorker[];
  missing: { name: string; port: number }[];
}

/**
 * Resolves when every wanted worker serves. Throws Failure `conflict` (other workers run, a port
 * is taken) or `worker-failed` (one died; its log's end is in `problems`), with none half-started.
 */
export async function startFleet(order: StartOrder): Promise<StartedWorker[]> {
  const settings = atGateway(readTemplate(order.layout.template), order.gateway);
  const plan = planStart(order, listFleet(order.layout));
  await refuseTakenPorts(plan, settings.worker_host, order);
  const spawned: SpawnedServer[] = [];
  try {
    const starting = plan.missing.map(({ name, port }) => {
      const worker = spawnOne(order, settings, { name, port });
      spawned.push(worker);
      return settle(order.layout, settings, { name, worker });
    });
    const started = await Promise.race([Promise.all(starting), whenAborted(order.signal)]);
    for (const worker of spawned) worker.detach();
    return [...plan.running, ...started].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  } catch (error) {
    await Promise.all(spawned.map((worker) => worker.stop(settings.grace_ms + STOP_MARGIN_MS)));
    // One that crashed could not remove its pid file; it never ran, so it must not look like one that died.
    await Promise.all(plan.missing.map(({ name }) => removeUnheld(order.layout.pidFile(name))));
    throw error;
  }
}

/** What to start, given what runs. */
function planStart(order: StartOrder, fleet: readonly FleetWorker[]): Plan {
  const { count, port, layout } = order;
  if (count < 1 || count > WORKERS_MAX)
    throw new Failure('usage', `--num-workers is ${count}; 1 to ${WORKERS_MAX} are legal`);
  if (port !== 0 && port + count - 1 > PORT_MAX) {
    throw new Failure('usage', `the last port would be ${port + count - 1}; the highest there is is ${PORT_MAX}`);
  }
  const running = fleet.flatMap((worker) =>
    worker.state.kind === 'running' ? [{ ...worker, pid: worker.state.pid }] : [],
  );
  const portOf = (index: number) => (port === 0 ? 0 : port + index);
  const strangers = running.filter(
    (worker) => worker.index >= count || (port !== 0 && worker.address?.port !== portOf(worker.index)),
  );
  if (strangers.length > 0) {
    throw new Failure('conflict', 'other workers of this cluster run; stop them with `admin kill` first', {
      problems: running.map(({ name, pid, address }) => `${name}: pid ${pid}, port ${address?.port ?? 'unknown'}`),
    });
  }
  const runningIndexes = new Set(running.map((worker) => worker.index));
  const indexes = Array.from({ length: count }, (_, index) => index);
  return {
    running: running.map(({ name, pid, address }) => {
      return { name, pid, port: address?.port ?? 0, log: layout.workerLog(name), already: true };
    }),
    missing: indexes
      .filter((index) => !runningIndexes.has(index))
      .map((index) => ({ name: `worker-${index}`, port: portOf(index) })),
  };
}

async function refuseTakenPorts(plan: Plan, host: string, order: StartOrder): Promise<void> {
  const problems: string[] = [];
  for (const { name, port } of plan.missing) {
    const problem = await portProblem(host, port);
    if (problem === 'EADDRINUSE') problems.push(`port ${port} (${name}) is taken by another program`);
    else if (problem === 'EACCES') problems.push(`port ${port} (${name}) is for root only`);
    else if (problem !== undefined && NO_ADDRESS.has(problem)) throw noAddress(host, order.layout);
    else if (problem !== undefined) problems.push(`${host}:${port} (${name}) can not be listened on: ${problem}`);
  }
  if (problems.length === 0) return;
  const other = await freePorts(host, order);
  const hint = other === undefined ? '' : `, such as --port=${other}`;
  const first = problems.length === 1 ? problems[0] : `${problems.length} ports can not be used`;
  throw new Failure('conflict', `${first}; choose another with --port${hint}`, {
    problems: problems.length === 1 ? [] : problems,
  });
}

/** Not an address of this machine; no such name; nobody to ask for it. */
const NO_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'ENOTFOUND', 'EAI_AGAIN']);

function noAddress(host: string, layout: Layout): Failure {
  const mend = `admin setconf --cluster=${shellQuote(layout.root)} '{"worker_host": "127.0.0.1"}'`;
  return new Failure('config-invalid', `worker_host ${host} is no address of this machine; change it: ${mend}`);
}

/** The next port from which as many as are wanted are free. */
async function freePorts(host: string, { port, count }: StartOrder): Promise<number | undefined> {
  for (let first = port + 1; first <= Math.min(port + 100, PORT_MAX - count + 1); first += 1) {
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const problems = await Promise.all(ports.map((one) => portProblem(host, one)));
    if (problems.every((problem) => problem === undefined)) return first;
  }
  return undefined;
}

function spawnOne(
  { layout, program }: StartOrder,
  settings: Settings,
  wanted: { name: string; port: number },
): SpawnedServer {
  const { name, port } = wanted;
  writeWorkerConfig(layout, name, workerSettings(layout, settings, { name, port }));
  mkdirSync(layout.workerDir(name), { recursive: true, mode: 0o700 });
  return spawnWorker({ program, name, config: layout.workerConfig(name), log: layout.workerLog(name) });
}

async function settle(
  layout: Layout,
  settings: Settings,
  one: { name: string; worker: SpawnedServer },
): Promise<StartedWorker> {
  const { pid, port } = await one.worker.ready;
  const { name } = one;
  // The port that it got, for those who read the file later, such as `admin status`.
  writeWorkerConfig(layout, name, workerSettings(layout, settings, { name, port }));
  return { name, pid, port, log: layout.workerLog(name), already: false };
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
