import { closeSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { readWorkerConfig } from '../../cluster/config-file.ts';
import { holdPidFile } from '../../cluster/pid-file.ts';
import { prepareWorkerDirs } from '../../cluster/worker-dirs.ts';
import { startWorker, type WorkerProcess } from '../../compose/worker-process.ts';
import { Failure } from '../../config/failure.ts';
import { Interrupted } from '../caller.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

const EXAMPLES = `
Logs to stdout: readable on a terminal, JSON lines otherwise. ctrl-C (SIGINT), SIGTERM or a
closed terminal stop it cleanly, calls in flight included, with exit code 0; a second signal
ends it at once. Settings that the file lacks have their defaults (\`admin help setconf\`);
relative paths in it start at its directory.

Examples:
  admin worker-exec --config=worker.json
  admin worker-exec --config my-cluster/config/worker-0.json

The shortest worker.json that there is:
  {"worker_port": "8080"}`;

export function shape(command: Command): void {
  command
    .option('-c, --config <file>', 'the configuration of the worker')
    .option('--ready-fd <fd>', 'descriptor on which to say, in one JSON line, that it serves', descriptor)
    .addHelpText('after', EXAMPLES);
}

export async function run({ flags, caller }: CommandCall): Promise<number> {
  if (typeof flags.config !== 'string') {
    throw new Failure('usage', 'a worker needs a configuration: `admin worker-exec --config=worker.json`');
  }
  const settings = readWorkerConfig(resolve(caller.cwd, flags.config));
  const stop = new StopRequest();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => stop.ask(signal));
  prepareWorkerDirs(settings);
  const pidFile = settings.pid_file === '' ? undefined : holdPidFile(settings.pid_file);
  try {
    const worker = await Promise.race([startWorker(settings, { stdout: caller.stdout }), stop.second]);
    if (typeof flags.readyFd === 'number') sayReady(flags.readyFd, worker.port);
    await serve(worker, stop);
    return EXIT.ok;
  } finally {
    pidFile?.release();
    unlisten();
  }
}

async function serve(worker: WorkerProcess, stop: StopRequest): Promise<void> {
  const cause = await Promise.race([stop.first, worker.failed]);
  try {
    await Promise.race([worker.stop(cause instanceof Failure ? cause.message : cause), stop.second]);
  } catch (error) {
    if (error instanceof Interrupted) worker.kill();
    throw error;
  }
  if (cause instanceof Failure) throw cause;
}

/** The first signal asks to stop, the second insists. */
class StopRequest {
  readonly first: Promise<NodeJS.Signals>;
  /** Rejects with Interrupted. */
  readonly second: Promise<never>;
  #askFirst: (signal: NodeJS.Signals) => void = () => {};
  #insist: (error: Interrupted) => void = () => {};
  #asked = false;

  constructor() {
    this.first = new Promise((resolve) => {
      this.#askFirst = resolve;
    });
    this.second = new Promise((_, reject) => {
      this.#insist = reject;
    });
    this.second.catch(() => {}); // Whoever races it sees it; nobody else needs to.
  }

  ask(signal: NodeJS.Signals): void {
    if (this.#asked) this.#insist(new Interrupted(signal));
    this.#asked = true;
    this.#askFirst(signal);
  }
}

function sayReady(fd: number, port: number): void {
  try {
    writeSync(fd, `${JSON.stringify({ ready: true, port, pid: process.pid })}\n`);
    closeSync(fd);
  } catch {
    // Whoever wanted to know has gone; the worker serves all the same.
  }
}

function descriptor(text: string): number {
  if (!/^[0-9]{1,6}$/.test(text)) throw new InvalidArgumentError('It must be the number of an open descriptor');
  return Number(text);
}
