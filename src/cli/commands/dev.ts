import { resolve } from 'node:path';
import type { Command } from 'commander';
import { DEV_WORKER, type DevPlace, openDevPlace } from '../../cluster/dev-place.ts';
import { holdPidFile } from '../../cluster/pid-file.ts';
import { FIRST_PORT, writeWorkerConfig } from '../../cluster/worker-config.ts';
import { prepareWorkerDirs } from '../../cluster/worker-dirs.ts';
import { isLambdaDirectory, lambdasIn } from '../../compose/lambda-dirs.ts';
import { reclaim } from '../../compose/reclaim.ts';
import { startWorker, type WorkerProcess } from '../../compose/worker-process.ts';
import { Failure } from '../../config/failure.ts';
import { PORT_MAX } from '../../config/limits.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import type { Output } from '../caller.ts';
import type { CommandCall } from '../command.ts';
import { DevConsole } from '../dev-console.ts';
import { DevJson } from '../dev-json.ts';
import { EXIT } from '../exit-codes.ts';
import { StopRequest } from '../stop-request.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Serves the lambda in DIR, or each lambda in a directory of them, straight from where it is edited;
without DIR those of the current directory, or with --cluster those of its registry. Each change
is loaded as it is saved: that it loads is said, or why not, with the traceback. Calls are shown
as they come, and what they print. ctrl-C ends it; a second one waits for nothing. The cluster
around it is made for the time being and goes with it, unless --cluster names one to keep.

Examples:
  admin dev
  admin dev hello
  admin dev my-cluster/registry --port=9000
  admin dev --cluster=my-cluster --json`;

export function shape(command: Command): void {
  command
    .argument('[dir]', 'directory of a lambda, or of lambdas')
    .option('--cluster <dir>', 'use this cluster; it is made if it is not there, and stays')
    .option(
      '-p, --port <port>',
      'where to listen; 0 takes a free one',
      wholeNumber(`0 to ${PORT_MAX}`, (number) => number <= PORT_MAX),
      FIRST_PORT,
    )
    .option('--json', 'print what happens as JSON, one object per line')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, args, caller } = call;
  const stop = new StopRequest();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => stop.ask(signal));
  const cluster = flags.cluster === undefined ? undefined : resolve(caller.cwd, flags.cluster as string);
  const code = args[0] === undefined && cluster !== undefined ? undefined : resolve(caller.cwd, args[0] ?? '.');
  const place = openDevPlace({ code, cluster, port: flags.port as number, isLambda: isLambdaDirectory });
  try {
    await serve(call, place, stop);
    return EXIT.ok;
  } finally {
    place.close();
    unlisten();
  }
}

async function serve(call: CommandCall, place: DevPlace, stop: StopRequest): Promise<void> {
  const { layout, settings } = place;
  const { caller, flags, paint } = call;
  prepareWorkerDirs(settings);
  const pidFile = holdPidFile(settings.pid_file);
  const json = flags.json ? new DevJson(caller.stdout) : undefined;
  const watcher = json ?? new DevConsole(caller.stdout, { paint, atStart: lambdasIn(settings.registry_dir) });
  try {
    const starting = startWorker(settings, { stdout: caller.stderr, watcher });
    const worker = await Promise.race([starting, stop.second]);
    writeWorkerConfig(layout, DEV_WORKER, { ...settings, worker_port: worker.port });
    if (json === undefined) caller.stdout.write(greeting(place, worker.port));
    else json.onServing(servingFacts(place, worker.port));
    await untilStopped(worker, stop, json === undefined ? caller.stdout : caller.stderr);
  } catch (error) {
    // What the worker's end could not wait for must be over before its directory can go.
    await reclaim(settings.worker_dir);
    throw error;
  } finally {
    pidFile.release();
  }
}

async function untilStopped(worker: WorkerProcess, stop: StopRequest, people: Output): Promise<void> {
  const cause = await Promise.race([stop.first, worker.failed]);
  people.write('Ending; a second ctrl-C waits for nothing\n');
  try {
    await Promise.race([worker.stop(cause instanceof Failure ? cause.message : cause), stop.second]);
  } catch (error) {
    worker.kill();
    throw error;
  }
  if (cause instanceof Failure) throw cause;
}

function servingFacts({ layout, code, settings }: DevPlace, port: number) {
  const lambdas = lambdasIn(settings.registry_dir);
  return { url: `http://localhost:${port}`, cluster: layout.root, code, lambdas };
}

function greeting({ layout, code, settings }: DevPlace, port: number): string {
  const lambdas = lambdasIn(settings.registry_dir);
  const url = `http://localhost:${port}/runLambda/`;
  const lines = lambdas.map((lambda) => `  curl -X POST ${url}${lambda} -d '{}'`);
  if (lines.length === 0)
    lines.push(`  no lambda yet; write ${shellQuote(settings.registry_dir)}/NAME/lambda_func.py or .mjs`);
  lines.push(`  admin logs, ps, invoke and their like: --cluster=${shellQuote(layout.root)}`);
  return `Serving ${code} until ctrl-C:\n${lines.join('\n')}\n`;
}
