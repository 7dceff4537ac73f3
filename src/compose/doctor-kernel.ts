import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Check } from './machine-check.ts';

const run = promisify(execFile);

/** What sandbox/sock/spawner/probe.py prints. An attempt is null if it worked, else its error. */
export interface Probe {
  kernel: string;
  machine: string;
  uid: number;
  attempts: Readonly<Record<AttemptName, string | null>>;
  landlock_abi: number;
  overlay: boolean;
  cgroup: { v1: Readonly<Record<string, CgroupPoint>>; v2: (CgroupPoint & CgroupV2) | null };
  sysctl: Readonly<Record<string, string | null>>;
}

type AttemptName =
  | 'user_namespace'
  | 'unprivileged'
  | 'clone'
  | 'mount_proc'
  | 'mount_api'
  | 'new_file_system'
  | 'pidfd'
  | 'seccomp'
  | 'cgroup_namespace';

interface CgroupPoint {
  /** Where it is mounted. */
  point: string;
  /** The group that holds those of all workers. */
  group: string;
  /** Why no group can be made there; null if one can. */
  refused: string | null;
  /** What a new group has of the files that freeze and kill. */
  files: string[];
}

interface CgroupV2 {
  /** Those that a group below can have. */
  controllers: string[];
  /** Why these are not all that there are; null if they are. */
  withheld: string | null;
}

const MACHINES = ['x86_64', 'aarch64'];
const PROBE_WAIT_MS = 10_000;

/** Tries what sandboxes are made of; the failed check if even that could not be tried. */
export async function probeKernel(python: string, programDir: string): Promise<Probe | Check> {
  const script = join(programDir, 'sandbox', 'sock', 'spawner', 'probe.py');
  try {
    const { stdout } = await run(python, ['-I', '-S', script], { timeout: PROBE_WAIT_MS, env: { LC_ALL: 'C' } });
    return JSON.parse(stdout) as Probe;
  } catch (error) {
    const found = error instanceof Error ? (error.message.trim().split('\n').at(-1) as string) : String(error);
    return {
      name: 'kernel',
      state: 'missing',
      needed: true,
      found,
      means: 'what the kernel can do could not be tried',
    };
  }
}

/** The facts as checks. Pure. */
export function judgeKernel(probe: Probe): Check[] {
  return [machineCheck(probe), ...attemptChecks(probe), landlockCheck(probe), ...cgroupChecks(probe)];
}

function machineCheck({ kernel, machine }: Probe): Check {
  const found = `Linux ${kernel}, ${machine}`;
  if (MACHINES.includes(machine)) return { name: 'kernel', state: 'ok', needed: true, found };
  return {
    name: 'kernel',
    state: 'missing',
    needed: true,
    found,
    means: `sandboxes are made on ${MACHINES.join(' and ')} only`,
  };
}

function attemptChecks(probe: Probe): Check[] {
  const asRoot = probe.uid === 0;
  const userMend = userNamespaceMend(probe);
  const newKernel = 'a kernel of version 5.12 or newer';
  const inContainer = 'docker run --privileged (if this is a container)';
  const check = attemptCheck.bind(undefined, probe);
  return [
    check('user namespaces', 'user_namespace', { needed: true, means: 'no sandbox can be made', mend: userMend }),
    check('user namespaces without root', 'unprivileged', {
      needed: !asRoot,
      means: asRoot ? 'only root can run workers here' : 'no sandbox can be made without root',
      mend: userMend,
    }),
    check('all namespaces in one clone', 'clone', { needed: true, means: 'no sandbox can be made', mend: userMend }),
    check('a fresh /proc in a sandbox', 'mount_proc', {
      needed: true,
      means: 'no sandbox can be made: something is mounted over a part of this /proc, as containers do',
      mend: inContainer,
    }),
    check('mounts by descriptor', 'mount_api', {
      needed: true,
      means: 'code can not be attached to a sandbox',
      mend: newKernel,
    }),
    check('new file systems by descriptor', 'new_file_system', {
      needed: true,
      means: 'no /tmp can be made',
      mend: newKernel,
    }),
    check('process descriptors', 'pidfd', {
      needed: true,
      means: 'sandboxes can not be ended safely',
      mend: newKernel,
    }),
    check('seccomp filters', 'seccomp', {
      needed: true,
      means: 'system calls of handlers can not be filtered',
      mend: newKernel,
    }),
    check('cgroup namespaces', 'cgroup_namespace', {
      needed: false,
      means: "handlers see their cgroup's name",
      mend: newKernel,
    }),
  ];
}

interface Lack {
  needed: boolean;
  means: string;
  mend: string;
}

function attemptCheck(probe: Probe, name: string, attempt: AttemptName, lack: Lack): Check {
  const error = probe.attempts[attempt];
  if (error === null) return { name, state: 'ok', needed: lack.needed, found: 'works' };
  return { name, state: lack.needed ? 'missing' : 'weaker', found: error, ...lack };
}

function userNamespaceMend({ sysctl }: Probe): string {
  if (sysctl['user.max_user_namespaces'] === '0') return 'sysctl -w user.max_user_namespaces=15000';
  if (sysctl['kernel.unprivileged_userns_clone'] === '0') return 'sysctl -w kernel.unprivileged_userns_clone=1';
  if (sysctl['kernel.apparmor_restrict_unprivileged_userns'] === '1') {
    return 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';
  }
  return 'docker run --privileged (if this is a container), or a kernel with CONFIG_USER_NS';
}

function landlockCheck({ landlock_abi }: Probe): Check {
  if (landlock_abi > 0) return { name: 'Landlock', state: 'ok', needed: false, found: `ABI ${landlock_abi}` };
  return {
    name: 'Landlock',
    state: 'weaker',
    needed: false,
    found: 'not there',
    means: 'one wall less around files; mounts, ids and the filter still stand',
    mend: 'add landlock to the kernel parameter lsm=',
  };
}

function cgroupChecks(probe: Probe): Check[] {
  const limits = [
    cgroupLimit(probe, 'memory', 'a handler can use all memory of this machine'),
    cgroupLimit(
      probe,
      'pids',
      'a handler can use all process ids of this machine, unless each sandbox has an id of its own (user, below)',
    ),
    cgroupLimit(probe, 'cpu', 'a handler can use all cores of this machine'),
  ];
  return [...limits, freezeCheck(probe)];
}

function cgroupLimit({ cgroup, uid }: Probe, controller: string, means: string): Check {
  const name = `limit on ${controller}`;
  const v2 = cgroup.v2?.controllers.includes(controller) ? cgroup.v2 : undefined;
  const point = v2 ?? cgroup.v1[controller];
  if (point !== undefined && point.refused === null) {
    return { name, state: 'ok', needed: false, found: `cgroup ${v2 === undefined ? 'v1' : 'v2'} at ${point.group}` };
  }
  const lack = { name, state: 'weaker', needed: false, means } as const;
  if (point !== undefined) return { ...lack, found: `${point.point}: ${point.refused}`, mend: cgroupMend(uid) };
  const withheld = cgroup.v2?.withheld ?? null;
  if (cgroup.v2 === null || withheld === null) {
    return { ...lack, found: `no cgroup has the controller ${controller}`, mend: cgroupMend(uid) };
  }
  const mend = uid === 0 ? movingMend(cgroup.v2.point) : cgroupMend(uid);
  return { ...lack, found: `${cgroup.v2.point}: ${withheld}`, mend };
}

/** What a container's own start would have to do: whose processes they are is not for a worker to know. */
function movingMend(point: string): string {
  const there = `${point}/rest/cgroup.procs`;
  return `mkdir ${point}/rest; while read pid; do echo $pid > ${there}; done < ${point}/cgroup.procs`;
}

function freezeCheck({ cgroup, uid }: Probe): Check {
  const name = 'freeze and kill by cgroup v2';
  if (cgroup.v2?.files.length === 2) return { name, state: 'ok', needed: false, found: cgroup.v2.group };
  const found =
    cgroup.v2 === null
      ? 'no cgroup v2 is mounted'
      : `${cgroup.v2.point}: ${cgroup.v2.refused ?? 'the kernel is older than 5.14'}`;
  const means = 'idle instances are paused by SIGSTOP, and ended process by process';
  return { name, state: 'weaker', needed: false, found, means, mend: cgroupMend(uid) };
}

function cgroupMend(uid: number): string {
  return uid === 0
    ? 'mount -t cgroup2 none /sys/fs/cgroup (or a kernel with that controller)'
    : 'run workers as root, or `systemd-run --user --scope -p Delegate=yes`';
}
