/** Which walls of a sandbox of namespaces a container does not have, one sentence each. */
import type { House } from './house.ts';

/** Of what the daemon says of itself. */
export interface DaemonInfo {
  MemoryLimit?: boolean;
  PidsLimit?: boolean;
  CpuCfsQuota?: boolean;
  /** `name=seccomp,profile=default`, … */
  SecurityOptions?: string[] | null;
}

/** What this daemon, or its machine, does not do for any container. */
export function missingWalls({ MemoryLimit, PidsLimit, CpuCfsQuota, SecurityOptions }: DaemonInfo): string[] {
  const filtered = (SecurityOptions ?? []).some((one) => /^name=seccomp,profile=(?!unconfined)/.test(one));
  return [
    ...(filtered ? [] : ['the daemon filters no system calls']),
    ...(MemoryLimit === false ? ['the daemon can not limit memory'] : []),
    ...(PidsLimit === false ? ['the daemon can not limit processes'] : []),
    ...(CpuCfsQuota === false ? ['the daemon can not limit CPU'] : []),
  ];
}

export function weakerWalls({ scratchIsVolume, daemon }: House): string[] {
  return [
    'ids inside a container are ids of this machine: nothing maps them',
    "of the denied system calls only those of Docker's own filter are denied",
    'all packages of the cluster can be read by every lambda',
    'lambdas with network outbound do not start',
    ...(scratchIsVolume
      ? ['scratch is memory and counts as such, a quarter of memory_mb at most']
      : ['scratch has no limit of its own: a handler can fill the disk', 'containers run with the id of the worker']),
    ...daemon.missing,
  ];
}
