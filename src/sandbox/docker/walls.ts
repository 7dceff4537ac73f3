/** Which walls of a sandbox of namespaces a container does not have, one sentence each. */
import type { House } from './house.ts';

export function weakerWalls({ scratchIsVolume }: House): string[] {
  return [
    'ids inside a container are ids of this machine: nothing maps them',
    "of the denied system calls only those of Docker's own filter are denied",
    'all packages of the cluster can be read by every lambda',
    'lambdas with network outbound do not start',
    ...(scratchIsVolume
      ? ['scratch is memory and counts as such, a quarter of memory_mb at most']
      : ['scratch has no limit of its own: a handler can fill the disk', 'containers run with the id of the worker']),
  ];
}
