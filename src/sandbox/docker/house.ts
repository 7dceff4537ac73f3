/** What all containers of one worker have in common. */
import { realpathSync } from 'node:fs';
import { join, relative } from 'node:path';
import type Docker from 'dockerode';
import type { SandboxLimits } from '../maker.ts';
import type { EngineLog } from '../sandbox.ts';
import { markerOf } from '../worker-marker.ts';
import type { Daemon } from './daemon.ts';
import type { Image } from './image.ts';
import { labelsOf } from './labels.ts';

export interface HouseOptions {
  daemon: Daemon;
  image: Image;
  /** Directory of the worker. */
  workerDir: string;
  /** The same by a path that is short enough for the names of sockets. */
  workerDirPath: string;
  packagesDir: string;
  /** Holds `values/<name>` and `grants/<lambda>:<name>`. */
  secretsDir: string;
  /** Directory that holds sandbox/docker/ and runtime/: src/ of a checkout, or dist/. */
  programDir: string;
  log: EngineLog;
}

/** Each worker has a range of its own, so that no two containers of a machine share an id. */
const ID_BASE_FIRST = 1_600_000_000;
const ID_RANGE = 65_536;
const ID_RANGES = 4_000;
/** Memory that scratch may take, of that which a lambda has: it is counted as the lambda's. */
const SCRATCH_MEMORY_PART = 4;

/** Where all of the cluster's packages are found inside. */
export const ALL_PACKAGES_DIR = '/run/packages';

export class House {
  readonly daemon: Daemon;
  readonly docker: Docker;
  readonly image: Image;
  readonly workerDir: string;
  readonly workerDirPath: string;
  readonly secretsDir: string;
  readonly log: EngineLog;
  readonly marker: string;
  readonly labels: Record<string, string>;
  readonly packagesDir: string;
  readonly runtimeDir: string;
  readonly nodeRuntimeDir: string;
  readonly insideDir: string;
  /** Who is not root can not look into volumes of Docker's. */
  readonly scratchIsVolume = process.getuid?.() === 0;
  readonly #idBase: number;

  constructor(options: HouseOptions) {
    this.daemon = options.daemon;
    this.docker = options.daemon.docker;
    this.image = options.image;
    this.workerDir = realpathSync(options.workerDir);
    this.workerDirPath = options.workerDirPath;
    this.packagesDir = realpathSync(options.packagesDir);
    this.secretsDir = options.secretsDir;
    this.log = options.log;
    this.marker = markerOf(this.workerDir);
    this.labels = labelsOf(this.workerDir);
    this.runtimeDir = realpathSync(join(options.programDir, 'runtime/python'));
    this.nodeRuntimeDir = realpathSync(join(options.programDir, 'runtime/node'));
    this.insideDir = realpathSync(join(options.programDir, 'sandbox/docker/inside'));
    this.#idBase = ID_BASE_FIRST + (Number.parseInt(this.marker.slice(0, 8), 16) % ID_RANGES) * ID_RANGE;
  }

  /** Inside and outside. Who is not root gives containers the own id: files of another could not be given away. */
  userId(slot: number): number {
    return this.scratchIsVolume ? this.#idBase + (slot % ID_RANGE) : (process.getuid as () => number)();
  }

  scratchMb({ scratch_mb, memory_mb }: SandboxLimits): number {
    return Math.max(1, Math.min(scratch_mb, Math.floor(memory_mb / SCRATCH_MEMORY_PART)));
  }

  /** As the daemon has to be told: it does not know our descriptors. */
  onHost(path: string): string {
    return join(this.workerDir, relative(this.workerDirPath, path));
  }

  /** Where the files of a set of packages lie inside. */
  insidePackages(dir: string): string {
    return join(ALL_PACKAGES_DIR, relative(this.packagesDir, realpathSync(dir)));
  }
}
