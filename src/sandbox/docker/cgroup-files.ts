/** Where the kernel tells of a container's memory. Docker tells of it, too, but a hundred times slower. */
import { existsSync, readFileSync } from 'node:fs';

export interface CgroupFiles {
  /** Counts kills for memory: see oom-count.ts. */
  oom: string;
  /** CPU time: see usage.ts. */
  cpu: string | undefined;
  /** Bytes in use, and the most that there ever were. */
  usage: string;
  peak: string;
}

const TOP = '/sys/fs/cgroup';

/** Undefined where the daemon's groups can not be seen, as in a container of one's own. */
export function cgroupFilesOf(pid: number): CgroupFiles | undefined {
  const paths = new Map<string, string>();
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) paths.set(controller, path);
  }
  const [memory, unified] = [paths.get('memory'), paths.get('') ?? ''];
  const cpu = [`${TOP}${unified}/cpu.stat`, `${TOP}/unified${unified}/cpu.stat`].find(existsSync);
  const files =
    memory === undefined
      ? {
          oom: `${TOP}${unified}/memory.events`,
          usage: `${TOP}${unified}/memory.current`,
          peak: `${TOP}${unified}/memory.peak`,
          cpu,
        }
      : {
          oom: `${TOP}/memory${memory}/memory.oom_control`,
          usage: `${TOP}/memory${memory}/memory.usage_in_bytes`,
          peak: `${TOP}/memory${memory}/memory.max_usage_in_bytes`,
          cpu,
        };
  return existsSync(files.oom) ? files : undefined;
}

/** Undefined once the container is gone. */
export function usedBytes({ usage }: CgroupFiles): number | undefined {
  try {
    return Number(readFileSync(usage, 'latin1'));
  } catch {
    return undefined;
  }
}
