/** The Docker daemon: found as Docker's own tools find it, asked once whether it answers, and what it is. */
import type Docker from 'dockerode';
import { Failure } from '../../config/failure.ts';
import { errnoOf } from '../../lib/errno.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';

export interface Daemon {
  docker: Docker;
  version: string;
  /** `amd64`, `arm64`, …: what its images must be made for. */
  architecture: string;
}

/** Rejects with Failure `machine-unfit` if there is none, or none that may be used. */
export async function openDaemon(host = process.env.DOCKER_HOST ?? ''): Promise<Daemon> {
  const socketPath = host === '' ? DEFAULT_SOCKET : socketOf(host);
  // Loading it takes 160 ms, which only this engine pays.
  const { default: Client } = await import('dockerode');
  const docker = new Client({ socketPath });
  try {
    const { Version: version, Arch: architecture } = await docker.version();
    return { docker, version, architecture };
  } catch (error) {
    throw noDaemon(socketPath, error);
  }
}

/** Directories of this machine are mounted into containers, so the daemon must be this machine's own. */
function socketOf(host: string): string {
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new Failure(
    'machine-unfit',
    `DOCKER_HOST is ${host}: the docker engine needs a daemon on this machine; unset it, or set it to unix:///path/of/docker.sock`,
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
    default:
      return `${socketPath}: ${(error as Error).message}`;
  }
}
