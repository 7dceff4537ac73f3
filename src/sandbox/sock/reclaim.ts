/** Removes what a worker left that died together with its spawner: cgroups, stray processes, scratch. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Failure } from '../../config/failure.ts';
import { markerOf } from '../worker-marker.ts';

const MAIN = 'import sys; sys.path.insert(0, sys.argv[1]); from spawner import reclaim; reclaim.main()';

/** Waits first for a spawner that is still cleaning up by itself. Happy when there is nothing to do. */
export async function reclaimSock(workerDir: string, hostPython: string, programDir: string): Promise<void> {
  const child = spawn(hostPython, ['-I', '-S', '-B', '-c', MAIN, `${programDir}/sandbox/sock`], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { LANG: 'C.UTF-8' },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  child.stdin.end(`${JSON.stringify({ worker_dir: workerDir, marker: markerOf(workerDir) })}\n`);
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) {
    throw new Failure('sandbox-failed', `what ${workerDir} left could not be removed: ${said.trim()}`, {
      step: 'reclaim',
    });
  }
}
