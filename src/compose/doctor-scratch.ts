import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PYTHON_WAIT_MS } from '../config/limits.ts';
import type { Check } from './machine-check.ts';

const run = promisify(execFile);

const TRIAL = 'import sys; sys.path.insert(0, sys.argv[1]); from spawner import scratch_trial; scratch_trial.main()';

/** Makes the volume that a sandbox would get for its scratch. */
export async function checkScratch(python: string, programDir: string): Promise<Check> {
  return judgeScratch(await tryImages(python, programDir));
}

/** `problem` is null where images work. Pure. */
export function judgeScratch(problem: string | null): Check {
  const name = 'scratch on disk';
  if (problem === null) return { name, state: 'ok', needed: false, found: 'loop devices and mkfs.ext4 work' };
  const means = 'what handlers write to /host is memory and counts as such, a quarter of "memory_mb" at most';
  return { name, state: 'weaker', needed: false, found: problem, means, mend: mendOf(problem) };
}

function mendOf(problem: string): string {
  if (problem.includes('only root')) return 'run workers as root';
  if (problem.includes('mkfs.ext4')) return 'apt-get install -y e2fsprogs';
  return 'modprobe loop, or docker run --privileged (if this is a container)';
}

async function tryImages(python: string, programDir: string): Promise<string | null> {
  try {
    const args = ['-I', '-S', '-B', '-c', TRIAL, join(programDir, 'sandbox', 'sock')];
    const { stdout } = await run(python, args, { timeout: PYTHON_WAIT_MS });
    return (JSON.parse(stdout) as { images: string | null }).images;
  } catch (error) {
    return error instanceof Error ? (error.message.trim().split('\n').at(-1) as string) : String(error);
  }
}
