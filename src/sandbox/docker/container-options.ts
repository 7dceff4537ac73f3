/** What a container is made with: each wall that a sandbox of namespaces has, as far as Docker has it. */
import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import type { SandboxLimits } from '../maker.ts';

export interface ContainerSpec {
  name: string;
  imageId: string;
  labels: Record<string, string>;
  /** Inside and, where Docker maps no ids, outside. */
  userId: number;
  limits: SandboxLimits;
  hostNetwork: boolean;
  /** Directory of the host or name of a volume → directory inside, and whether it may be written. */
  mounts: readonly Mount[];
  /** Directories that the image has declared volumes, which would be a disk without a limit: they are empty instead. */
  imageVolumes: readonly string[];
}

export interface Mount {
  kind: 'bind' | 'volume';
  from: string;
  to: string;
  writable: boolean;
}

export const MAIN = "import sys; sys.path.insert(0, '/runtime'); from isla_container import serve; serve.main()";

const CPU_PERIOD_US = 100_000;
const OPEN_FILES = { soft: 1_024, hard: 4_096 };
const MEBIBYTE = 1_048_576;
/** Rather a lambda than the worker, where the whole machine is short of memory. */
const OOM_SCORE_ADJ = 500;

export function containerOptions(spec: ContainerSpec): ContainerCreateOptions {
  const { limits, userId } = spec;
  const memory = limits.memory_mb * MEBIBYTE;
  return {
    name: spec.name,
    Image: spec.imageId,
    Entrypoint: ['python3', '-I', '-S', '-B', '-c', MAIN],
    Cmd: [],
    User: `${userId}:${userId}`,
    Env: ['LANG=C.UTF-8', 'HOME=/tmp'],
    WorkingDir: '/',
    ...(spec.hostNetwork ? {} : { Hostname: 'sandbox' }),
    Labels: spec.labels,
    StopSignal: 'SIGKILL',
    // The image's own would be started in each container, again and again.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: spec.hostNetwork ? 'host' : 'none',
      // A daemon that maps ids would map those that the worker counts on.
      UsernsMode: 'host',
      IpcMode: 'private',
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: memory,
      // Together with swap: none.
      MemorySwap: memory,
      PidsLimit: limits.procs,
      CpuPeriod: CPU_PERIOD_US,
      CpuQuota: Math.max(1_000, (limits.cpu_percent * CPU_PERIOD_US) / 100),
      OomScoreAdj: OOM_SCORE_ADJ,
      ShmSize: limits.tmp_mb * MEBIBYTE,
      // The mode would be that of the image's own /tmp, so it belongs to the one who is to write.
      Tmpfs: { '/tmp': `rw,exec,nosuid,nodev,size=${limits.tmp_mb}m,uid=${userId},gid=${userId}` },
      Ulimits: [
        { Name: 'nofile', Soft: OPEN_FILES.soft, Hard: OPEN_FILES.hard },
        { Name: 'core', Soft: 0, Hard: 0 },
        { Name: 'memlock', Soft: 65_536, Hard: 65_536 },
      ],
      // In the shorter form, as one word, no path can have a colon.
      Mounts: [
        ...spec.mounts.map(mountOf),
        ...unusedVolumes(spec).map((to): MountSettings => ({ Type: 'tmpfs', Source: '', Target: to, ReadOnly: true })),
      ],
      // What it prints goes to files in its scratch.
      LogConfig: { Type: 'none', Config: {} },
      RestartPolicy: { Name: 'no' },
    },
  };
}

function mountOf({ kind, from, to, writable }: Mount): MountSettings {
  const mount: MountSettings = { Type: kind, Source: from, Target: to, ReadOnly: !writable };
  if (kind === 'bind') return mount;
  // Else what the image has there is copied, and whose it is.
  return { ...mount, VolumeOptions: { NoCopy: true } as NonNullable<MountSettings['VolumeOptions']> };
}

function unusedVolumes({ imageVolumes, mounts }: ContainerSpec): string[] {
  const used = new Set(['/tmp', ...mounts.map(({ to }) => to)]);
  return imageVolumes.filter((path) => !used.has(path));
}
