import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { Failure } from '../config/failure.ts';
import { KILL_WAIT_MS, LOG_TAIL_BYTES, READY_WAIT_MS } from '../config/limits.ts';
import { fileTail } from '../lib/file-tail.ts';

/** How to run this program again. */
export interface Program {
  node: string;
  main: string;
  /** The one file that all of it came in, if it did. */
  singleFile?: string | undefined;
}

export interface SpawnOrder {
  program: Program;
  name: string;
  log: string;
}

/** What a server says about itself on descriptor 3 once it serves. */
export interface Ready {
  ready: true;
  port: number;
  pid: number;
}

export interface SpawnedServer {
  /** Resolves when it serves; rejects with Failure `worker-failed` and the end of its log if it never will. */
  readonly ready: Promise<Ready>;
  /** Lets it live on when this process ends. */
  detach(): void;
  /** Ends it; resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

/**
 * What calls leave behind dies young. V8 begins with a nursery of 1 MB and gets to this much, in MB, by and by, having
 * kept what did not need to be kept: 4 % of a worker's CPU under load. Little survives in it: to wake helpers for that
 * takes more than they do, another 8 %.
 */
const NODE_FLAGS = ['--min-semi-space-size=16', '--no-parallel-scavenge'];

/** Starts `worker-exec` in the background. */
export function spawnWorker({ config, ...order }: SpawnOrder & { config: string }): SpawnedServer {
  const args = [...NODE_FLAGS, order.program.main, 'worker-exec', `--config=${config}`];
  return spawnServer({ ...order, args, env: process.env });
}

/** Starts a command of this program that serves, in a session of its own, its output appended to its log. */
export function spawnServer(order: SpawnOrder & { args: readonly string[]; env: NodeJS.ProcessEnv }): SpawnedServer {
  const { program, log } = order;
  const logFd = openSync(log, 'a', 0o644);
  const logStart = statSync(log).size;
  const child = spawn(program.node, [...order.args, '--ready-fd=3'], {
    detached: true,
    cwd: '/', // A directory that is later removed must not be the server's.
    stdio: ['ignore', logFd, logFd, 'pipe'],
    env: order.env,
  });
  closeSync(logFd);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (status, signal) =>
      resolve(signal === null ? `ended with exit code ${status}` : `was ended by ${signal}`),
    );
  });
  const channel = child.stdio[3] as Readable;
  const failure = (what: string) =>
    new Failure('worker-failed', `${order.name} ${what}; the end of ${log}:`, {
      problems: fileTail(log, logStart, LOG_TAIL_BYTES),
    });
  return {
    ready: readyOrFailure(channel, ended, failure),
    detach() {
      channel.destroy();
      child.unref();
    },
    async stop(graceMs) {
      channel.destroy();
      await end(child, ended, graceMs);
    },
  };
}

function readyOrFailure(channel: Readable, ended: Promise<string>, failure: (what: string) => Failure): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(failure(`was not ready after ${READY_WAIT_MS / 1_000} s`)), READY_WAIT_MS);
    let said = '';
    channel.setEncoding('utf8');
    channel.on('data', (piece: string) => {
      said += piece;
      if (!said.includes('\n')) return;
      clearTimeout(timer);
      resolve(JSON.parse(said) as Ready);
    });
    channel.on('error', () => {}); // Its end is seen as the child's.
    void ended.then((how) => {
      clearTimeout(timer);
      reject(failure(how));
    });
  });
}

/** TERM, grace, KILL. */
async function end(child: ChildProcess, ended: Promise<string>, graceMs: number): Promise<void> {
  child.kill('SIGTERM');
  const kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
  const giveUp = new Promise<void>((resolve) => setTimeout(resolve, graceMs + KILL_WAIT_MS).unref());
  await Promise.race([ended, giveUp]);
  clearTimeout(kill);
}
