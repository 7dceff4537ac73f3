import { findPython } from '../cluster/python.ts';
import { reclaimDocker } from '../sandbox/docker/reclaim.ts';
import { reclaimSock } from '../sandbox/sock/reclaim.ts';
import { programDir } from './program-dir.ts';

/**
 * Ends and removes what a worker that was killed left behind: processes, cgroups, sockets,
 * scratch. Waits for a spawner that is still cleaning up. Idempotent; does nothing for a worker
 * that stopped cleanly.
 */
export async function reclaim(workerDir: string): Promise<void> {
  await reclaimDocker(workerDir);
  // Run on the host, whatever the base of the cluster is.
  const { path } = await findPython({ kind: 'host', etcDir: '' }, '');
  await reclaimSock(workerDir, path, programDir());
}
