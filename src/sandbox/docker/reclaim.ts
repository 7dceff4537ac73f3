/** Removes what a worker left that was killed: its containers and their volumes, and directories of theirs. */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type Docker from 'dockerode';
import { Failure } from '../../config/failure.ts';
import { openDaemon } from './daemon.ts';
import { isConflict, isMissing, reasonOf } from './docker-error.ts';
import { ofWorker, slotOf } from './labels.ts';
import { HEAP, removeTree } from './remove-tree.ts';

/** Is there in a worker's directory as long as it may have containers. */
export const CONTAINERS_DIR = 'containers';

/** Does nothing, and asks no daemon, for a worker that has had no containers. Idempotent. */
export async function reclaimDocker(workerDir: string): Promise<void> {
  if (!existsSync(join(workerDir, CONTAINERS_DIR))) return;
  const { docker } = await openDaemon().catch((error: Failure) => {
    throw notRemoved(workerDir, error.message, error);
  });
  await removeAll(docker, workerDir);
}

function notRemoved(workerDir: string, reason: string, cause: unknown): Failure {
  const marker = join(workerDir, CONTAINERS_DIR);
  return new Failure(
    'machine-unfit',
    `what ${basename(workerDir)} may have left in Docker can not be removed: ${reason}; then try again. Where there is no Docker any more, remove ${marker}`,
    { cause },
  );
}

export async function removeAll(docker: Docker, workerDir: string): Promise<void> {
  await removeUnknown(docker, workerDir, () => false);
  removeDirs(workerDir);
}

function removeDirs(workerDir: string): void {
  const [slots, room] = [join(workerDir, 'slots'), join(workerDir, CONTAINERS_DIR)];
  if (existsSync(slots)) {
    mkdirSync(room, { recursive: true, mode: 0o711 });
    // Somebody may have been killed at it.
    for (const heap of readdirSync(room).filter((name) => name.startsWith(HEAP))) removeTree(join(room, heap), room);
    for (const slot of readdirSync(slots)) removeTree(join(slots, slot), room);
  }
  // The last is the sign that there is something.
  for (const dir of [slots, join(workerDir, 'handlers'), room]) rmSync(dir, { recursive: true, force: true });
}

/** What the worker has in Docker of slots that it does not know any more. */
export async function removeUnknown(
  docker: Docker,
  workerDir: string,
  knows: (slot: number) => boolean,
): Promise<void> {
  const filters = ofWorker(workerDir);
  const containers = (await docker.listContainers({ all: true, filters })).filter(
    ({ Labels }) => !knows(slotOf(Labels)),
  );
  await Promise.all(containers.map(({ Id }) => unlessGone(docker.getContainer(Id).remove({ force: true, v: true }))));
  const { Volumes } = await docker.listVolumes({ filters });
  const volumes = (Volumes ?? []).filter(({ Labels }) => !knows(slotOf(Labels)));
  await Promise.all(volumes.map(({ Name }) => unlessGone(docker.getVolume(Name).remove())));
}

async function unlessGone(removing: Promise<unknown>): Promise<void> {
  try {
    await removing;
  } catch (error) {
    if (isMissing(error) || isConflict(error)) return;
    throw new Failure('sandbox-failed', `what a worker left in Docker could not be removed: ${reasonOf(error)}`, {
      step: 'reclaim',
      cause: error,
    });
  }
}
