/** What the docker engine would find: a daemon that may be used, and an image with a Python in it. */
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { type Daemon, openDaemon } from '../sandbox/docker/daemon.ts';
import { pythonOfImage } from '../sandbox/docker/image.ts';
import type { Check } from './machine-check.ts';

export interface DockerWish {
  image: string;
  /** Whether lambdas are to run in containers. */
  needed: boolean;
}

const NOT_NEEDED = 'the sandbox engine "sock" does not need it';
const NEEDED = 'no lambda runs: "sandbox" is docker';

/** Pulls nothing; a container that says which Python it has is removed again. */
export async function checkDocker({ image, needed }: DockerWish): Promise<Check[]> {
  const lack = { state: 'missing', needed, means: needed ? NEEDED : NOT_NEEDED } as const;
  let daemon: Daemon;
  try {
    daemon = await openDaemon();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [{ name: 'Docker', ...lack, found: shortly(error), mend: mendOf(error) }];
  }
  return [daemonCheck(daemon), await imageCheck(daemon, image, lack)];
}

function daemonCheck({ version, socketPath, architecture, cgroups, mapsIds, missing }: Daemon): Check {
  const ids = mapsIds ? 'ids mapped for others, not for lambdas' : 'ids not mapped';
  const filter = missing.some((one) => one.includes('system calls')) ? 'no seccomp' : 'seccomp';
  const found = `${version} at ${socketPath}: ${architecture}, cgroups ${cgroups}, ${filter}, ${ids}`;
  if (missing.length === 0) return { name: 'Docker', state: 'ok', needed: false, found };
  return { name: 'Docker', state: 'weaker', needed: false, found, means: missing.join('; ') };
}

async function imageCheck(
  daemon: Daemon,
  image: string,
  lack: Pick<Check, 'needed'> & { means: string },
): Promise<Check> {
  const name = 'Docker image';
  try {
    const python = await pythonOfImage(daemon, image);
    if (python !== undefined) return { name, state: 'ok', needed: false, found: `${image}, with Python ${python}` };
    const means = 'the first worker that wants it pulls it';
    return { name, state: 'weaker', needed: false, found: `${image} is not here`, means, mend: `docker pull ${image}` };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { name, state: 'missing', ...lack, found: error.message };
  }
}

/** Without what is to be done about it. */
function shortly({ message }: Failure): string {
  return message.replace(/^Docker can not be used: /, '').replace(/;.*/, '');
}

function mendOf({ cause }: Failure): string {
  return ['EACCES', 'EPERM'].includes(errnoOf(cause) ?? '')
    ? 'usermod -aG docker NAME (as root, then log in again)'
    : 'service docker start';
}
