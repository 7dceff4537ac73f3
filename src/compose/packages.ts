/** The packages of one worker out of their parts: pip of this machine, sandboxes of the worker's engine. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { WorkerSettings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import type { OnProgress } from '../packages/fetching.ts';
import { Packages } from '../packages/packages.ts';
import { PackagesPlaces } from '../packages/places.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import { packageSandboxes } from './packages-sandboxes.ts';
import { programDir } from './program-dir.ts';

export interface PackagesParts {
  engine: Engine;
  log: Log;
  /** Told how far an installation has got. */
  onProgress?: (lambda: string, ...how: Parameters<OnProgress>) => void;
}

export function openPackages(settings: WorkerSettings, { engine, ...heard }: PackagesParts): Packages {
  return new Packages({
    places: new PackagesPlaces(settings.packages_dir),
    stateDir: packagesStateDir(settings.worker_dir),
    programDir: programDir(),
    pythons: pythonsOfMachine(),
    mirror: settings.pip_mirror,
    resolver: settings.packages_resolver,
    env: process.env,
    ...packageSandboxes(engine, settings),
    ...heard,
  });
}

/** What lambdas of the worker have, one file each. */
export function packagesStateDir(workerDir: string): string {
  return join(workerDir, 'packages');
}

/** The system's own first: one of a user's may be out of reach for the user that pip runs as. */
export function pythonsOfMachine(): string[] {
  const dirs = [
    '/usr/bin',
    '/usr/local/bin',
    ...(process.env.PATH ?? '').split(':').filter((dir) => dir.startsWith('/')),
  ];
  return [...new Set(dirs)].map((dir) => join(dir, 'python3')).filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
