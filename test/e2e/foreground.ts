/** A worker of a test's cluster that runs in the foreground, as a service manager runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { ADMIN, cleanEnvironment } from './admin.ts';
import type { TestCluster } from './cluster.ts';

export interface ForegroundWorker {
  child: ChildProcess;
  /** Its exit code, or the signal that ended it. */
  exited: Promise<number | NodeJS.Signals>;
  stdout: () => string;
  stderr: () => string;
}

export function startForeground(
  cluster: TestCluster,
  { port, env = {} }: { port?: number; env?: NodeJS.ProcessEnv } = {},
): ForegroundWorker {
  const args = ['worker-exec', `--cluster=${cluster.dir}`, ...(port === undefined ? [] : [`--port=${port}`])];
  const child = spawn(ADMIN, args, { env: cleanEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]!.setEncoding('utf8').on('data', (piece: string) => {
      text[stream] += piece;
    });
  }
  return {
    child,
    exited: new Promise((done) => child.once('exit', (status, signal) => done(status ?? signal!))),
    stdout: () => text.stdout,
    stderr: () => text.stderr,
  };
}
