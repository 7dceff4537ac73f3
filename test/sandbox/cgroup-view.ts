/** A worker's control groups and the processes in them, as the host sees them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Where workers have their groups, in every hierarchy. */
export function cgroupPoints(): string[] {
  const points = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  return points.map((point) => `${point}/isla`).filter((path) => existsSync(path));
}

/** Names of a worker's groups: slots and zygotes. */
export function groupsOf(marker: string): string[] {
  const names = cgroupPoints()
    .map((point) => `${point}/${marker}`)
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  return [...new Set(names)];
}

export function pidsIn(marker: string, group: string): number[] {
  const pids = cgroupPoints()
    .map((point) => `${point}/${marker}/${group}`)
    .filter((dir) => existsSync(dir) && !isOfThreads(dir))
    .flatMap((dir) => readFileSync(`${dir}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number));
  return [...new Set(pids)];
}

/** Such a group names no processes; they are in those of the controllers, too. */
export function isOfThreads(dir: string): boolean {
  return existsSync(`${dir}/cgroup.type`) && readFileSync(`${dir}/cgroup.type`, 'utf8').trim() === 'threaded';
}

/** A worker's spawner, found as its zygote's parent. */
export function spawnerOf(marker: string): number {
  const zygote = groupsOf(marker)
    .filter((name) => name.startsWith('zygote-'))
    .flatMap((name) => pidsIn(marker, name))[0];
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${zygote}/status`, 'utf8'))?.[1]);
}
