/**
 * Where `/host` of a container lies. Root gets a volume of Docker's that is memory and has a size, so that no handler
 * fills the machine's disk. Whoever is not root could not look into one, and gets a directory without a limit.
 */
import type { SandboxLimits } from '../maker.ts';
import type { House } from './house.ts';
import type { Place } from './place.ts';

export interface Scratch {
  /** What is mounted: a directory of the host, or the name of a volume. */
  source: string;
  volume: string | undefined;
  /** Makes it known under the slot's path. A volume is there as long as its container runs. */
  link(place: Place): Promise<void>;
}

export interface ScratchOrder {
  name: string;
  place: Place;
  userId: number;
  limits: SandboxLimits;
  labels: Record<string, string>;
}

export async function makeScratch(
  house: House,
  { name, place, userId, limits, labels }: ScratchOrder,
): Promise<Scratch> {
  if (!house.scratchIsVolume) {
    place.makeScratch();
    return { source: house.onHost(place.scratch), volume: undefined, link: async () => {} };
  }
  const o = `size=${house.scratchMb(limits)}m,uid=${userId},gid=${userId},mode=0711,nosuid,nodev`;
  await house.docker.createVolume({
    Name: name,
    Driver: 'local',
    Labels: labels,
    DriverOpts: { type: 'tmpfs', device: 'tmpfs', o },
  });
  const looked = house.docker.getVolume(name).inspect();
  looked.catch(() => {}); // told to whoever waits for it
  return { source: name, volume: name, link: async (into) => into.linkScratch((await looked).Mountpoint) };
}

/** After its container. */
export async function dropScratch(house: House, { volume }: Scratch): Promise<void> {
  if (volume === undefined) return;
  await house.docker.getVolume(volume).remove();
}
