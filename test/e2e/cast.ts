/** Who is who among a cluster's processes, seen from the host. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';
import { listProcesses, type Process } from './footprint.ts';

export interface Cast {
  worker: number;
  spawner: number;
  zygote: number;
  /** Makes scratch file systems for the spawner; undefined where there are none to make. */
  keeper: number | undefined;
}

/** The worker's child is the spawner, the spawner's are the root zygote and the keeper of scratch. */
export function castOf(cluster: TestCluster): Cast {
  const worker = cluster.workerPid();
  const spawner = onlyPython(childrenOf(worker), `the worker ${worker}`);
  const children = childrenOf(spawner);
  const keeper = children.find((one) => one.name === 'scratch-keeper')?.pid;
  return { worker, spawner, keeper, zygote: onlyPython(children, `the spawner ${spawner}`) };
}

/** The process of an instance that runs the handler: the one whose /host is this scratch directory. */
export function instancePid(cluster: TestCluster, lambda: string): number {
  const scratch = cluster.instanceDirs(lambda).map((dir) => statSync(dir));
  const found = cluster.footprint.look().processes.find(({ pid }) => {
    const host = statSync(join('/proc', String(pid), 'root/host'), { throwIfNoEntry: false });
    return host !== undefined && scratch.some((dir) => dir.ino === host.ino && dir.dev === host.dev);
  });
  if (found === undefined) throw new Error(`no process has the scratch of ${lambda}`);
  return found.pid;
}

function childrenOf(pid: number): Process[] {
  return listProcesses().filter((one) => one.parent === pid && one.state !== 'Z');
}

function onlyPython(children: readonly Process[], whose: string): number {
  const pythons = children.filter((one) => one.name.startsWith('python') || one.name.startsWith('isla'));
  const [first] = pythons;
  if (first === undefined || pythons.length > 1) {
    throw new Error(
      `${whose} has the children ${children.map((one) => `${one.pid} ${one.name}`).join(', ') || 'none'}`,
    );
  }
  return first.pid;
}
