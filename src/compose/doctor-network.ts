import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PYTHON_WAIT_MS } from '../config/limits.ts';
import type { Check } from './machine-check.ts';

const run = promisify(execFile);

const TRIAL = 'import sys; sys.path.insert(0, sys.argv[1]); from spawner.network import trial; trial.main()';

/** Connects a namespace of its own, as a sandbox's would be. */
export async function checkNetwork(python: string, programDir: string): Promise<Check> {
  const name = 'network "outbound"';
  const problem = await tryOutbound(python, programDir);
  if (problem === null) return { name, state: 'ok', needed: false, found: 'works' };
  // The spawner's own words name the command last.
  const mend = /: ((?:apt-get|modprobe) .*)$/.exec(problem)?.[1];
  const found = mend === undefined ? problem : problem.slice(0, -(mend.length + 2));
  const means = 'lambdas that ask for it do not start; others do';
  return { name, state: 'missing', needed: false, found, means, ...(mend === undefined ? {} : { mend }) };
}

/** Without root a worker leaves the host's network when it starts, and no sandbox of its can be there. */
export function checkHostNetwork(): Check {
  const name = 'network "host"';
  if (process.geteuid?.() === 0) return { name, state: 'ok', needed: false, found: 'works' };
  const means = 'lambdas that ask for it do not start; others do';
  return { name, state: 'missing', needed: false, found: 'it takes root', means };
}

async function tryOutbound(python: string, programDir: string): Promise<string | null> {
  try {
    const args = ['-I', '-S', '-B', '-c', TRIAL, join(programDir, 'sandbox', 'sock')];
    const { stdout } = await run(python, args, { timeout: PYTHON_WAIT_MS });
    return (JSON.parse(stdout) as { outbound: string | null }).outbound;
  } catch (error) {
    return error instanceof Error ? (error.message.trim().split('\n').at(-1) as string) : String(error);
  }
}
