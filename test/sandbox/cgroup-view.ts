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
    .map((point) => `${point}/${marker}/${group}/cgroup.procs`)
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number));
  return [...new Set(pids)];
}

/** A worker's spawner, found as its zygote's parent. */
export function spawnerOf(marker: string): number {
  const zygote = groupsOf(marker)
    .filter((name) => name.startsWith('zygote-'))
    .flatMap((name) => pidsIn(marker, name))[0];
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${zygote}/status`, 'utf8'))?.[1]);
}
