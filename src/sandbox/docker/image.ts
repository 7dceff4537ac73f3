/** The image that containers are made of: there or pulled, of this machine's kind, and with a Python. */
import { Failure } from '../../config/failure.ts';
import { readAll } from './api-streams.ts';
import type { Daemon } from './daemon.ts';
import { isMissing, reasonOf } from './docker-error.ts';

export interface Image {
  /** As the configuration names it. */
  name: string;
  /** What the name means now; a tag that moves on later changes nothing for this worker. */
  id: string;
  /** Version of its Python, such as `3.11.2`. */
  python: string;
  /** Version of its Node, such as `22.11.0`; undefined if it has none. */
  node: string | undefined;
  /** Directories that it declares volumes. */
  volumes: readonly string[];
}

/** Prints the versions of Python and Node, a line each; the second is empty if there is no Node. */
const ASK_VERSIONS = `
import subprocess, sys
print(".".join(map(str, sys.version_info[:3])))
try:
    print(subprocess.run(["node", "--version"], stdout=subprocess.PIPE).stdout.decode().strip())
except OSError:
    print()
`;
const PYTHON_OLDEST = [3, 9];
export const NODE_OLDEST = 20;

/** Rejects with Failure `config-invalid` that says what is wrong with it, and what to do. */
export async function readyImage(daemon: Daemon, name: string): Promise<Image> {
  const { id, volumes } = await presentImage(daemon, name);
  return { name, id, volumes, ...(await programsOf(daemon, name, id)) };
}

/** The version of its Python; undefined if it is not here. Pulls nothing; rejects as readyImage does. */
export async function pythonOfImage(daemon: Daemon, name: string): Promise<string | undefined> {
  const found = await inspect(daemon, name);
  return found && (await programsOf(daemon, name, fitting(daemon, name, found).id)).python;
}

/** As readyImage, of one that need not have a Python. */
export async function presentImage(daemon: Daemon, name: string): Promise<Found> {
  return fitting(daemon, name, (await inspect(daemon, name)) ?? (await pulled(daemon, name)));
}

function fitting(daemon: Daemon, name: string, found: Found): Found {
  if (found.architecture === daemon.architecture) return found;
  throw new Failure(
    'config-invalid',
    `the image ${name} is made for ${found.architecture}, and this machine is ${daemon.architecture}; pull it with --platform=linux/${daemon.architecture}, or name another`,
  );
}

/** Whether handlers in JavaScript can run in it. */
export function runsNode({ node }: Image): boolean {
  return node !== undefined && Number(node.split('.')[0]) >= NODE_OLDEST;
}

/** What is told where containers of it can be made no more. */
export function imageGone({ name, id }: Image): Error {
  const word = id.replace(/^sha256:/, '').slice(0, 12);
  return new Error(
    `the image ${name} (${word}) was removed; \`docker pull ${name}\` or \`docker load\` brings it back, and a worker that is started again takes another`,
  );
}

interface Found {
  id: string;
  architecture: string;
  volumes: string[];
}

async function inspect({ docker }: Daemon, name: string): Promise<Found | undefined> {
  try {
    const { Id: id, Architecture: architecture, Config: config } = await docker.getImage(name).inspect();
    return { id, architecture, volumes: Object.keys(config?.Volumes ?? {}) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Failure('config-invalid', `the image ${name} can not be looked at: ${reasonOf(error)}`, { cause: error });
  }
}

async function pulled(daemon: Daemon, name: string): Promise<Found> {
  try {
    await pull(daemon, name);
    const found = await inspect(daemon, name);
    if (found !== undefined) return found;
  } catch (error) {
    throw new Failure(
      'config-invalid',
      `the image ${name} is not here and can not be pulled: ${reasonOf(error)}; \`docker pull ${name}\` or \`docker load\` brings it, or name another`,
      { cause: error },
    );
  }
  throw new Failure('config-invalid', `the image ${name} was pulled and is not there; is its name whole, with a tag?`);
}

async function pull({ patient: docker }: Daemon, name: string): Promise<void> {
  // Without a tag the daemon would take every tag that there is.
  const stream = await docker.pull(/[:@][^/]*$/.test(name) ? name : `${name}:latest`);
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}

/** Asked as lambdas will run: no network, no rights. Nothing of the image is started otherwise. */
async function programsOf({ docker }: Daemon, name: string, id: string): Promise<Pick<Image, 'python' | 'node'>> {
  const container = await docker.createContainer({
    Image: id,
    Entrypoint: ['python3', '-I', '-S', '-B', '-c', ASK_VERSIONS],
    Cmd: [],
    User: '65534:65534',
    Tty: true,
    HostConfig: { NetworkMode: 'none', CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], ReadonlyRootfs: true },
  });
  try {
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    const said = readAll(stream);
    await container.start();
    const { StatusCode: status } = (await container.wait()) as { StatusCode: number };
    const text = (await said).trim();
    const [, python, node] = /^(\d+\.\d+\.\d+)(?:\s+v(\d+\.\d+\.\d+))?$/.exec(text) ?? [];
    if (status !== 0 || python === undefined) throw new Error(text || `python3 ended with status ${status}`);
    return { python: checkedVersion(name, python), node };
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure(
      'config-invalid',
      `the image ${name} runs no python3: ${reasonOf(error)}; set a docker.image that has one, such as python:3.12-slim`,
      { cause: error },
    );
  } finally {
    await container.remove({ force: true, v: true });
  }
}

function checkedVersion(name: string, version: string): string {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  const [oldestMajor, oldestMinor] = PYTHON_OLDEST as [number, number];
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return version;
  throw new Failure(
    'config-invalid',
    `the image ${name} has Python ${version}; ${PYTHON_OLDEST.join('.')} or newer is needed`,
  );
}
