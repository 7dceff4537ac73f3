import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { PATIENCE } from './patience.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
/** The single file, if that is to be tested. */
export const ADMIN = resolve(ROOT, process.env.ISLA_TEST_ADMIN ?? 'bin/admin');

export interface Finished {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** What it reads from standard input; nothing if it is not given. */
  input?: string;
  /** Ends a command that hangs, so that the test fails with its output and not by the clock alone; times the machine's patience. */
  timeoutMs?: number;
}

export function runAdmin(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return run(ADMIN, args, options);
}

/** Runs to the end. `close`, not `exit`: a child that keeps our pipe open is a leak and hangs here. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = spawn(file, args, {
    cwd: options.cwd ?? ROOT,
    env: options.env ?? cleanEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: (options.timeoutMs ?? 50_000) * PATIENCE,
    killSignal: 'SIGKILL',
  });
  // One that ends before it has read everything says so by its exit.
  child.stdin.on('error', () => undefined).end(options.input);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    stdout += piece;
  });
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece;
  });
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (status, signal) => done({ status, signal, stdout, stderr }));
  });
}

/** What the caller's shell has set for Isla must not choose a test's cluster. */
export function cleanEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { ISLA_CLUSTER, FORCE_COLOR, VITEST, NODE_ENV, NODE_OPTIONS, ...rest } = process.env;
  return { ...rest, NO_COLOR: '1', ...extra };
}

/** Throws with everything that was printed unless the command succeeded. */
export function succeeded(finished: Finished, what: string): Finished {
  if (finished.status === 0) return finished;
  const { status, signal, stdout, stderr } = finished;
  throw new Error(`${what} ended with ${signal ?? status}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
}
