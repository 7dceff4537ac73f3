/** What the engine is made with, and what of it the spawner is told. */
import { realpathSync } from 'node:fs';
import type { Limits, Network } from '../../config/settings.ts';
import { sandboxLimits } from '../maker.ts';
import type { EngineLog } from '../sandbox.ts';
import { markerOf } from '../worker-marker.ts';
import type { Base, NodeProgram, SpawnerConfig } from './spawner-process.ts';

export interface SockEngineOptions {
  workerDir: string;
  base: Base;
  /** The Python that sandboxes run, by its path inside the base. */
  python: string;
  /** The Node that sandboxes run. */
  node: NodeProgram;
  /** The Python that runs the spawner, on the host. */
  hostPython: string;
  /** Holds `values/<name>` and `grants/<lambda>:<name>`. */
  secretsDir: string;
  /** Directory that holds sandbox/sock/ and runtime/: src/ of a checkout, or dist/. */
  programDir: string;
  limits: Limits;
  /** The most that any lambda may have. */
  limitsMax: Pick<Limits, 'memory_mb' | 'procs' | 'scratch_mb'>;
  /** Sandboxes that wait for code at least; 0 for none. */
  poolSize: number;
  /** Those that wait at most. */
  poolMax: number;
  /** Forks after which a zygote is followed by a fresh one. */
  zygoteForksMax: number;
  /** Networks that a lambda may have; what only others need is not started. */
  networkAllowed: readonly Network[];
  log: EngineLog;
}

/** Each worker has a range of its own, so that no two sandboxes of a machine share an id. */
const ID_BASE_FIRST = 1_000_000_000;
const ID_RANGE = 65_536;
const ID_RANGES = 9_000;

export function spawnerConfig(options: SockEngineOptions): SpawnerConfig {
  const { workerDir, base, python, node, secretsDir, programDir, limits, limitsMax } = options;
  const marker = markerOf(workerDir);
  const ceiling = (key: keyof typeof limitsMax) => Math.max(limits[key], limitsMax[key]);
  const range = Number.parseInt(marker.slice(0, 8), 16) % ID_RANGES;
  return {
    worker_dir: realpathSync(workerDir),
    marker,
    id_base: ID_BASE_FIRST + range * ID_RANGE,
    base,
    secrets_dir: secretsDir,
    python,
    node,
    cargo: {
      isla_zygote: `${programDir}/sandbox/sock/zygote`,
      isla_runtime: `${programDir}/runtime/python`,
      isla_node: `${programDir}/runtime/node`,
      isla_kernel: `${programDir}/runtime/kernel`,
    },
    limits: sandboxLimits(limits),
    zygote_forks_max: options.zygoteForksMax,
    network_allowed: options.networkAllowed,
    scratch_mb_max: ceiling('scratch_mb'),
    zygote_limits: { memory_mb: ceiling('memory_mb'), procs: ceiling('procs') },
  };
}
