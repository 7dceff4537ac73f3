/** The daemon of all docker tests that ask for none of their own. */
import { Dockerd } from './dockerd.ts';

export async function setup(): Promise<() => Promise<void>> {
  const dockerd = await Dockerd.start();
  process.env.DOCKER_HOST = dockerd.host;
  return () => dockerd.dispose();
}
