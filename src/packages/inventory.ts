/** What is installed below a cluster's packages directory, and which lambdas of which worker have it. Reads only. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { errnoOf } from '../lib/errno.ts';
import { type InterpreterPlaces, type PackagesPlaces, WHEEL_FACTS } from './places.ts';
import { isMember, type Member, type Resolution, readResolution, setDigest } from './resolution.ts';

export interface WheelFacts extends Member {
  files: number;
  /** Of all files, compiled code included. */
  bytes: number;
}

export interface StoredWheel extends WheelFacts {
  interpreter: string;
}

export interface StoredResolution {
  interpreter: string;
  /** Of the requirements. */
  digest: string;
  /** Digest of the set that it came to. */
  set: string;
  resolution: Resolution;
}

export interface StoredSet {
  interpreter: string;
  digest: string;
}

export interface Inventory {
  wheels: StoredWheel[];
  resolutions: StoredResolution[];
  sets: StoredSet[];
}

/** What one worker's lambda has. */
export interface LambdaState {
  worker: string;
  lambda: string;
  /** Digest of the set. */
  set: string;
  resolution: Resolution;
}

export function readInventory(places: PackagesPlaces): Inventory {
  const found: Inventory = { wheels: [], resolutions: [], sets: [] };
  for (const interpreter of places.interpreters()) {
    const own = places.of(interpreter);
    for (const sha256 of namesIn(own.wheelsDir)) {
      const facts = readWheelFacts(own, sha256);
      if (facts !== undefined) found.wheels.push({ ...facts, interpreter });
    }
    for (const name of namesIn(own.resolvedDir)) {
      if (!name.endsWith('.json')) continue;
      const digest = basename(name, '.json');
      const resolution = readResolution(own.resolved(digest));
      if (resolution !== undefined)
        found.resolutions.push({ interpreter, digest, set: setDigest(resolution.members), resolution });
    }
    for (const digest of namesIn(own.setsDir)) found.sets.push({ interpreter, digest });
  }
  return found;
}

/** `stateDirs`: what workers have written, by the worker's name. */
export function readStates(stateDirs: Readonly<Record<string, string>>): LambdaState[] {
  return Object.entries(stateDirs).flatMap(([worker, dir]) =>
    namesIn(dir).flatMap((name) => {
      const resolution = name.endsWith('.json') ? readResolution(join(dir, name)) : undefined;
      if (resolution === undefined) return [];
      const { set } = resolution as Resolution & { set: string };
      return [{ worker, lambda: basename(name, '.json'), set: basename(String(set)), resolution }];
    }),
  );
}

function namesIn(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).sort() : [];
}

/** Undefined for what was removed by hand, in part or as a whole. */
export function readWheelFacts(places: InterpreterPlaces, sha256: string): WheelFacts | undefined {
  const path = join(places.wheel(sha256), WHEEL_FACTS);
  let read: unknown;
  try {
    read = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  if (!isMember(read)) return undefined;
  const { files, bytes } = read as Member & { files: unknown; bytes: unknown };
  return { ...read, files: Number(files), bytes: Number(bytes) };
}
