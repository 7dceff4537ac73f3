import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readTemplate, readWorkerConfig } from '../../cluster/config-file.ts';
import { holdPidFile } from '../../cluster/pid-file.ts';
import { ServiceManager } from '../../cluster/service-manager.ts';
import { FIRST_PORT, lastPort, workerSettings, writeWorkerConfig } from '../../cluster/worker-config.ts';
import { prepareWorkerDirs } from '../../cluster/worker-dirs.ts';
import { startWorker, type WorkerProcess } from '../../compose/worker-process.ts';
import { Failure } from '../../config/failure.ts';
import { PORT_MAX, WORKERS_MAX } from '../../config/limits.ts';
import type { WorkerSettings } from '../../config/settings.ts';
import { Interrupted } from '../caller.ts';
import { clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { addReadyFd, sayReady } from '../ready-fd.ts';
import { StopRequest } from '../stop-request.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Logs to stdout: readable on a terminal, JSON lines otherwise. ctrl-C (SIGINT), SIGTERM or a
closed terminal stop it cleanly, calls in flight included, with exit code 0; a second signal
ends it at once. Settings that the file lacks have their defaults (\`admin help setconf\`);
relative paths in it start at its directory.

With --cluster it is a worker of that cluster, as "admin workers" starts them: its settings are
those of the template, and status, ps, kill and their like know it. The port is that of
--port, else --first-port and its number, else the one that it had last, else 8080 and its number.

Where NOTIFY_SOCKET is set, READY=1 and STOPPING=1 are said there (admin help install).

Examples:
  admin worker-exec --config=worker.json
  admin worker-exec --cluster=my-cluster --worker=0 --port=8080
  admin worker-exec --config my-cluster/config/worker-0.json

The shortest worker.json that there is:
  {"worker_port": "8080"}`;

export function shape(command: Command): void {
  addReadyFd(command)
    .option('-c, --config <file>', 'the configuration of the worker')
    .option('--cluster <dir>', 'run a worker of this cluster instead')
    .option(
      '--worker <num>',
      'its number; only with --cluster',
      wholeNumber(`0 to ${WORKERS_MAX - 1}`, (number) => number < WORKERS_MAX),
    )
    .option(
      '-p, --port <port>',
      'its port; only with --cluster',
      wholeNumber(`0 to ${PORT_MAX}`, (number) => number <= PORT_MAX),
    )
    .option(
      '--first-port <port>',
      'port of worker 0, where the others follow; only with --cluster',
      wholeNumber(`1 to ${PORT_MAX}`, (number) => number >= 1 && number <= PORT_MAX),
    )
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const order = orderOf(call);
  const { settings } = order;
  const stop = new StopRequest();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => stop.ask(signal));
  const manager = new ServiceManager(caller.env.NOTIFY_SOCKET ?? '', (reason) => {
    caller.stderr.write(`admin: the service manager at NOTIFY_SOCKET could not be told: ${reason}\n`);
  });
  prepareWorkerDirs(settings);
  const pidFile = settings.pid_file === '' ? undefined : holdPidFile(settings.pid_file);
  try {
    order.write(settings.worker_port);
    const worker = await Promise.race([startWorker(settings, { stdout: caller.stdout }), stop.second]);
    order.write(worker.port);
    if (typeof flags.readyFd === 'number') sayReady(flags.readyFd, worker.port);
    void manager.tell('READY=1', `STATUS=serving on port ${worker.port}`);
    await serve(worker, stop, manager);
    return EXIT.ok;
  } finally {
    pidFile?.release();
    unlisten();
  }
}

interface Order {
  settings: WorkerSettings;
  /** Keeps the settings, with this port, for those who ask the cluster where its workers are. */
  write(port: number): void;
}

function orderOf(call: CommandCall): Order {
  const { flags, caller } = call;
  if (flags.cluster !== undefined) {
    if (flags.config !== undefined) throw new Failure('usage', 'a worker has --config or --cluster, not both');
    return orderOfCluster(call);
  }
  if (flags.worker !== undefined || flags.port !== undefined || flags.firstPort !== undefined) {
    throw new Failure('usage', '--worker, --port and --first-port go with --cluster; a configuration has its own port');
  }
  if (typeof flags.config !== 'string') {
    throw new Failure('usage', 'a worker needs a configuration: `admin worker-exec --config=worker.json`');
  }
  return { settings: readWorkerConfig(resolve(caller.cwd, flags.config)), write: () => {} };
}

function orderOfCluster(call: CommandCall): Order {
  const layout = clusterOf(call);
  const index = (call.flags.worker as number | undefined) ?? 0;
  const name = `worker-${index}`;
  const first = call.flags.firstPort as number | undefined;
  const following = first === undefined ? undefined : first + index;
  const port = (call.flags.port as number | undefined) ?? following ?? lastPort(layout, name) ?? FIRST_PORT + index;
  if (port > PORT_MAX) throw new Failure('usage', `the port of ${name} would be ${port}; the highest is ${PORT_MAX}`);
  const settings = workerSettings(layout, readTemplate(layout.template), { name, port });
  return { settings, write: (actual) => writeWorkerConfig(layout, name, { ...settings, worker_port: actual }) };
}

async function serve(worker: WorkerProcess, stop: StopRequest, manager: ServiceManager): Promise<void> {
  const cause = await Promise.race([stop.first, worker.failed]);
  const told = manager.tell('STOPPING=1', 'STATUS=answering what is in flight');
  try {
    await Promise.race([worker.stop(cause instanceof Failure ? cause.message : cause), stop.second]);
    await Promise.race([told, stop.second]);
  } catch (error) {
    if (error instanceof Interrupted) worker.kill();
    throw error;
  }
  if (cause instanceof Failure) throw cause;
}
