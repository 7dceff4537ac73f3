/** The Docker daemon: found as Docker's own tools find it, asked once whether it answers, and what it is. */
import type Docker from 'dockerode';
import { Failure } from '../../config/failure.ts';
import { DOCKER_WAIT_MS } from '../../config/limits.ts';
import { errnoOf } from '../../lib/errno.ts';
import { missingWalls } from './walls.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';
/** One request. Under load a container may take ten seconds to start. */
const REQUEST_MS_MAX = 30_000;

export interface Daemon {
  /** For what is done soon: it hangs up when no answer has come for half a minute. */
  docker: Docker;
  /** For what takes as long as it takes: events, pulls, exports. */
  patient: Docker;
  socketPath: string;
  version: string;
  /** `amd64`, `arm64`, …: what its images must be made for. */
  architecture: string;
  cgroups: string;
  /** Ids inside of containers are mapped to others outside. */
  mapsIds: boolean;
  /** What it can not hold a container to, one sentence each. */
  missing: readonly string[];
}

/** Where the daemon is looked for. Throws Failure `machine-unfit` if that is another machine. */
export function socketPathOf(host = process.env.DOCKER_HOST ?? ''): string {
  if (host === '') return DEFAULT_SOCKET;
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new Failure(
    'machine-unfit',
    // Directories of this machine are mounted into containers.
    `DOCKER_HOST is ${host}: the docker engine needs a daemon on this machine; unset it, or set it to unix:///path/of/docker.sock`,
  );
}

/** Rejects with Failure `machine-unfit` if there is none, or none that may be used. */
export async function openDaemon(): Promise<Daemon> {
  const socketPath = socketPathOf();
  // Loading it takes 160 ms, which only this engine pays.
  const { default: Client } = await import('dockerode');
  const first = new Client({ socketPath, timeout: DOCKER_WAIT_MS });
  try {
    const [{ Version: version, Arch: architecture }, info] = await Promise.all([first.version(), first.info()]);
    const options: string[] = info.SecurityOptions ?? [];
    if (options.includes('name=rootless')) throw rootless(socketPath);
    return {
      docker: new Client({ socketPath, timeout: REQUEST_MS_MAX }),
      patient: new Client({ socketPath }),
      socketPath,
      version,
      architecture,
      cgroups: `${info.CgroupDriver}, v${info.CgroupVersion ?? 1}`,
      mapsIds: options.includes('name=userns'),
      missing: missingWalls(info),
    };
  } catch (error) {
    throw error instanceof Failure ? error : noDaemon(socketPath, error);
  }
}

/** Its containers could write to nothing that is the worker's, and it can not be told whose ids to use. */
function rootless(socketPath: string): Failure {
  return new Failure(
    'machine-unfit',
    `Docker can not be used: the daemon at ${socketPath} runs without root; "sandbox": "sock" needs none either, or set DOCKER_HOST to one that has it`,
  );
}

function noDaemon(socketPath: string, error: unknown): Failure {
  return new Failure('machine-unfit', `Docker can not be used: ${whyNot(socketPath, error)}`, { cause: error });
}

function whyNot(socketPath: string, error: unknown): string {
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return `no daemon answers at ${socketPath}; start it (\`systemctl start docker\`), set DOCKER_HOST, or set "sandbox" to "sock"`;
    case 'EACCES':
    case 'EPERM':
      return `this user may not open ${socketPath}; add it to the group docker (\`sudo usermod -aG docker $USER\`, then log in again), or run the worker as root`;
    case 'ECONNRESET':
      return `the daemon at ${socketPath} gives no answer within ${DOCKER_WAIT_MS / 1_000} s; restart it (\`systemctl restart docker\`), or set "sandbox" to "sock"`;
    default:
      return `${socketPath}: ${(error as Error).message}`;
  }
}
