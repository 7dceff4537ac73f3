/**
 * Removes what no lambda has any more. A worker writes down which set a lambda has before it uses the set, and installs
 * under a lock that is held here: so what is not written down while that lock is held is not in use, but for a worker
 * that writes in this very moment. Hence a set is moved aside first, and comes back if it has been written down meanwhile.
 */
import { existsSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fetching } from './fetching.ts';
import {
  type Inventory,
  type LambdaState,
  readInventory,
  readStates,
  type StoredResolution,
  type StoredWheel,
} from './inventory.ts';
import type { PackagesPlaces } from './places.ts';

export interface Used {
  /** Digests of the requirements of lambdas in the registry. */
  declared: ReadonlySet<string>;
  states: readonly LambdaState[];
}

export interface PrunePlan {
  /** Places of sets that nobody has. */
  sets: string[];
  wheels: StoredWheel[];
  /** What nobody asks for any more. */
  resolutions: StoredResolution[];
}

export interface PruneOptions {
  places: PackagesPlaces;
  stateDirs: Readonly<Record<string, string>>;
  declared: ReadonlySet<string>;
  /** An interpreter of this machine, and the directory of fetch.py, for the lock. */
  python: string;
  scriptDir: string;
}

/** What would go. */
export function planPrune(inventory: Inventory, places: PackagesPlaces, { declared, states }: Used): PrunePlan {
  const kept = inventory.resolutions.filter(({ digest }) => declared.has(digest));
  const sets = new Set([...states.map(({ set }) => set), ...kept.map(({ set }) => set)]);
  const members = [...kept.map(({ resolution }) => resolution), ...states.map(({ resolution }) => resolution)];
  const wheels = new Set(members.flatMap((one) => one.members.map(({ sha256 }) => `${one.interpreter}/${sha256}`)));
  const asked = new Set(
    states.map(({ resolution }) => JSON.stringify([resolution.interpreter, resolution.requirements])),
  );
  const isAsked = ({ interpreter, digest, resolution }: Inventory['resolutions'][number]) =>
    declared.has(digest) || asked.has(JSON.stringify([interpreter, resolution.requirements]));
  return {
    sets: inventory.sets
      .filter(({ digest }) => !sets.has(digest))
      .map(({ interpreter, digest }) => places.of(interpreter).set(digest)),
    wheels: inventory.wheels.filter(({ interpreter, sha256 }) => !wheels.has(`${interpreter}/${sha256}`)),
    resolutions: inventory.resolutions.filter((one) => !isAsked(one)),
  };
}

/** Waits for installations that are under way. Returns what has gone. */
export async function prune(options: PruneOptions): Promise<PrunePlan> {
  const { places, stateDirs, declared, python, scriptDir } = options;
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' };
  const fetching = new Fetching({ python, scriptDir, env, locks: [places.houseLock], onProgress: () => {} });
  try {
    await fetching.locked();
    const states = readStates(stateDirs);
    const plan = planPrune(readInventory(places), places, { declared, states });
    const draft = places.draft();
    try {
      const sets = setAside(plan.sets, draft, () => new Set(readStates(stateDirs).map(({ set }) => set)));
      for (const { interpreter, digest } of plan.resolutions) {
        const own = places.of(interpreter);
        for (const path of [own.resolved(digest), own.resolvedLock(digest)]) await rm(path, { force: true });
      }
      // A set that came back has its files whether their wheels stay or not; the next installation fetches those again.
      for (const { interpreter, sha256 } of plan.wheels)
        renameSync(places.of(interpreter).wheel(sha256), join(draft, sha256));
      return { ...plan, sets };
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  } finally {
    await fetching.end();
  }
}

function setAside(sets: readonly string[], draft: string, written: () => ReadonlySet<string>): string[] {
  const aside = sets
    .filter(existsSync)
    .map((place, at) => ({ place, digest: place.split('/').at(-1) as string, to: join(draft, `set-${at}`) }));
  for (const { place, to } of aside) renameSync(place, to);
  const inUse = written();
  const back = aside.filter(({ digest }) => inUse.has(digest));
  for (const { place, to } of back) renameSync(to, place);
  return aside.filter((one) => !back.includes(one)).map(({ place }) => place);
}
