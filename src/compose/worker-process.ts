/** A worker out of its parts: code from a directory, sandboxes from the sock engine, HTTP in front. */
import { basename } from 'node:path';
import { LogTails } from '../aws/log-tail.ts';
import { readRegistryKeys } from '../cluster/registry-keys.ts';
import { SecretWatch } from '../cluster/secret-watch.ts';
import { Failure } from '../config/failure.ts';
import type { WorkerSettings } from '../config/settings.ts';
import type { CodePlaces } from '../console/code-files.ts';
import { BodyMemory } from '../http/body-memory.ts';
import { type Log, openLog } from '../lib/log.ts';
import { readMachineMemory } from '../lib/machine-memory.ts';
import { Metrics } from '../lib/metrics.ts';
import { Scope } from '../lib/scope.ts';
import { type CodeVersion, type LambdaName, parseLambdaName, partsOf } from '../registry/source.ts';
import { CallMetrics } from '../worker/call-metrics.ts';
import type { CallSink } from '../worker/call-record.ts';
import { CallTally } from '../worker/call-tally.ts';
import { memoryMax } from '../worker/memory-policy.ts';
import { Worker } from '../worker/worker.ts';
import { AsyncCalls } from './async-calls.ts';
import { CallLog } from './call-log.ts';
import { type Lambdas, openLambdas, withCurrent } from './code-source.ts';
import { openConsole } from './console.ts';
import { Expected } from './expected.ts';
import { openKeptCalls } from './kept-calls.ts';
import { lambdasIn, lambdasOnly } from './lambda-dirs.ts';
import { openPackages } from './packages.ts';
import { openSessions } from './sessions.ts';
import { startEngine } from './worker-engine.ts';
import { serveWorker } from './worker-http.ts';

export interface WorkerProcess {
  readonly port: number;
  /** Takes no new calls, answers what is in flight within the grace time, then ends everything. Idempotent. */
  stop(reason: string): Promise<void>;
  /** Cuts all connections at once; what runs is ended by the spawner when this process is gone. */
  kill(): void;
  /** Resolves if the worker can serve no longer. */
  readonly failed: Promise<Failure>;
}

/** After the last answer: how long a client may take to read it. In milliseconds. */
const FLUSH_MS = 500;

export interface WorkerIo {
  /** For the worker's log. */
  stdout: NodeJS.WritableStream;
  /** Somebody who writes lambdas and watches: code is loaded as soon as it is seen. */
  watcher?: CallSink | undefined;
}

interface Start {
  log: Log;
  scope: Scope;
  watcher: CallSink | undefined;
}

/** Starts a worker; resolves when it serves. Rejects with what is wrong, leaving nothing behind. */
export async function startWorker(settings: WorkerSettings, io: WorkerIo): Promise<WorkerProcess> {
  const log = openLog(io.stdout, { name: 'worker', level: settings.log_level });
  const scope = new Scope();
  try {
    return await start(settings, { log, scope, watcher: io.watcher });
  } catch (error) {
    await scope.close().catch((err: unknown) => log('error', 'not everything could be taken back', { err }));
    throw error;
  }
}

async function start(settings: WorkerSettings, { log, scope, watcher }: Start): Promise<WorkerProcess> {
  // First, so that what still comes while everything ends is written, too.
  const books = openBooks(settings, { log, scope, watcher, lambdas: () => lambdas });
  // While the engine starts, changes concern nobody yet.
  let started: Worker | undefined;
  const calls = new AsyncCalls({ settings, source: () => source, metrics: books.metrics, log });
  const onChange = (lambda: LambdaName) => {
    started?.codeChanged(lambda);
    // Versions have no schedules.
    if (partsOf(lambda).version === undefined) calls.changed(lambda);
  };
  const secrets = new SecretWatch({
    dir: settings.secrets_dir,
    onChange: (name) => {
      const lambda = parseLambdaName(name);
      if (lambda !== undefined) started?.grantsChanged(lambda);
    },
  });
  scope.onClose(() => secrets.close());
  const expected = new Expected();
  const onReadAhead = (version: CodeVersion) => expected.add(version);
  const onFlood = () => {
    secrets.changed();
    calls.changedAll();
  };
  const lambdas = openLambdas(settings, log, { onChange, onReadAhead, onFlood });
  scope.onClose(() => lambdas.close());
  const { source, functions } = lambdas;
  scope.onClose(() => calls.close());
  const engine = await startEngine(settings, log, memoryMax(settings.instances_memory_mb, machineBytes()));
  scope.onClose(() => engine.close());
  expected.tell(engine);
  const packages = openPackages(settings, { engine, log });
  scope.onClose(() => packages.close());
  const grants = secrets.granted.bind(secrets);
  const sinks = [...books.sinks, calls.sink];
  const policy = workerPolicy(settings, watcher !== undefined);
  const worker = new Worker({ ...policy, engine, source, grants, packages, sinks, log });
  started = worker;
  scope.onClose(() => worker.close());
  const bodies = new BodyMemory({ bodyBytesMax: settings.event_kb * 1024 });
  const address = { host: settings.worker_host, port: settings.worker_port };
  const http = { access: accessOf(settings), functions, tellsFailures: watcher !== undefined };
  const listener = await serveWorker({ worker, source, engine, ...books, bodies, calls, log, ...http }, address);
  scope.onClose(() => listener.close(FLUSH_MS));

  const memoryBytesMax = memoryMax(settings.instances_memory_mb, machineBytes());
  const sessions = openSessions(settings, { engine, packages, memoryBytesMax, log });
  scope.onClose(() => sessions.close());
  // One that is being made waits for what is being installed for it, and the end of sessions for that.
  scope.onClose(() => packages.close());

  const { engine: engineName, python, uses, weaker } = engine.facts();
  for (const wall of weaker) log('warn', 'this machine isolates less than promised', { wall });
  if (watcher !== undefined) for (const lambda of lambdasIn(settings.registry_dir)) worker.codeChanged(lambda);
  log('info', 'worker ready', { host: settings.worker_host, port: listener.port, engine: engineName, python, uses });

  calls.start(worker);

  let stopped: Promise<void> | undefined;
  const stop = async (reason: string): Promise<void> => {
    log('info', 'worker stopping', { reason });
    calls.stop();
    // Whoever asks how it is still hears it; calls are refused.
    if (!(await worker.drain(settings.grace_ms))) {
      log('warn', 'calls were cut off: they outlasted the grace time', { graceMs: settings.grace_ms });
      // Their callers still get an answer, so this comes before the connections are closed.
      await worker.close();
    }
    await scope.close();
    log('info', 'worker stopped');
  };
  return {
    port: listener.port,
    stop: (reason) => {
      stopped ??= stop(reason);
      return stopped;
    },
    kill: () => void listener.close(0),
    failed: listener.failed.then(
      (cause) => new Failure('worker-failed', `the worker can listen no longer: ${cause.message}`, { cause }),
    ),
  };
}

/** All that is told of calls, and who is told. */
function openBooks(settings: WorkerSettings, { log, scope, watcher, lambdas }: Start & { lambdas: () => Lambdas }) {
  const callLog = openCallLog(settings, log);
  scope.onClose(() => callLog.close());
  const keptCalls = openKeptCalls(settings, log);
  scope.onClose(() => keptCalls?.close());
  const metrics = new Metrics();
  const tally = new CallTally();
  const tails = new LogTails();
  const console = openConsole(settings, { calls: keptCalls, places: codePlaces(lambdas) });
  const sinks: CallSink[] = [callLog, new CallMetrics(metrics), tally, tails];
  for (const sink of [keptCalls, console?.pulse]) if (sink !== undefined) sinks.push(sink);
  if (watcher !== undefined) sinks.push(lambdasOnly(watcher, settings.registry_dir));
  return { sinks, metrics, tally, tails, console };
}

function openCallLog({ logs_dir, worker_dir, log_file_mb, log_files }: WorkerSettings, log: Log): CallLog {
  const worker = basename(worker_dir);
  return new CallLog({ logsDir: logs_dir, worker, fileBytesMax: log_file_mb * 1_048_576, filesMax: log_files, log });
}

/** For the console, which nobody asks before there are lambdas. */
function codePlaces(lambdas: () => Lambdas): Omit<CodePlaces, 'registryDir'> {
  return {
    whole: {
      owns: (lambda) => lambdas().functions.owns(lambda),
      editCode: (lambda, change) => lambdas().functions.editCode(lambda, change),
    },
    withCode: (lambda, read) => withCurrent(lambda, lambdas().source, ({ dir }) => read(dir)),
  };
}

/** Who may use AWS's API. */
function accessOf({ aws_keys_file, worker_host: host }: WorkerSettings) {
  return { keys: readRegistryKeys(aws_keys_file), host };
}

function workerPolicy(settings: WorkerSettings, eager: boolean) {
  return {
    instancesMax: settings.instances_max,
    memoryBytesMax: memoryMax(settings.instances_memory_mb, machineBytes()),
    readMachine: () => readMachineMemory(),
    policy: {
      pauseAfterMs: settings.pause_after_ms,
      queueMax: settings.queue_max,
      queueWaitMsMax: settings.queue_wait_ms,
      eager,
      packagesWaitMsMax: settings.packages_wait_ms,
    },
  };
}

/** Of the container around the worker, if it has a limit of its own. */
function machineBytes(): number {
  const { totalBytes } = readMachineMemory();
  const ownLimit = process.constrainedMemory();
  return ownLimit > 0 ? Math.min(ownLimit, totalBytes) : totalBytes;
}
