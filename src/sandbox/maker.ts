/**
 * The words between an engine's slots and what makes their sandboxes: the spawner's namespaces, or Docker's
 * containers. Requests are carried out in order, slot by slot; each slot is told its end last, exactly once.
 */
import { tmpMb } from '../config/lambda-spec.ts';
import type { NetworkSpec } from '../config/network.ts';
import type { Limits } from '../config/settings.ts';
import type { SandboxSpec } from './sandbox.ts';

/** The part of the limits that holds for a sandbox as a whole; the rest is the worker's affair, or the runtime's. */
export type SandboxLimits = Pick<Limits, 'memory_mb' | 'procs' | 'cpu_percent' | 'tmp_mb' | 'scratch_mb' | 'output_kb'>;

export function sandboxLimits(limits: Limits): SandboxLimits {
  const { memory_mb, procs, cpu_percent, scratch_mb, output_kb } = limits;
  return { memory_mb, procs, cpu_percent, tmp_mb: tmpMb(limits), scratch_mb, output_kb };
}

/** Of `memory_mb`, what is not Node's heap: the rest of its process, and what its children and files in /tmp take. */
const NODE_OWN_MB = 24;
const NODE_HEAP_PART_MIN = 1 / 2;

/** How much Node's heap may hold, in MiB: so much that it is collected before the kernel kills for memory. */
export function heapMb({ memory_mb }: Pick<Limits, 'memory_mb'>): number {
  return Math.max(Math.floor(memory_mb * NODE_HEAP_PART_MIN), memory_mb - NODE_OWN_MB);
}

/** How a sandbox is made, as far as that can not be changed when code is handed over. */
export interface Making {
  /** A fork of a zygote, or an interpreter that is started for this sandbox alone. */
  program: 'fork' | 'python' | 'node';
  /** How much Node's heap may hold, in MiB, which it must know when it starts. */
  heap_mb?: number;
  /** In the host's network namespace. */
  host_network: boolean;
  /** From the zygote of that number; null for one that has imported no packages. */
  branch: number | null;
  /** Given where they can not be changed later. */
  limits?: SandboxLimits;
}

/** What is handed over. */
export interface Start {
  /** Null for a kernel. */
  code: string | null;
  /** Directory of the set of packages. */
  packages: string | null;
  limits: SandboxLimits;
  /** Names only. */
  secrets: readonly string[];
  network: NetworkSpec;
  description: Record<string, unknown>;
}

/** Where a set of packages is found in a sandbox. */
const PACKAGES_DIR = '/packages';

/** What is handed over for that, but for the network. */
export function startOf(spec: Started): Omit<Start, 'network'> {
  const { lambda, instance, codeDir, handler, node, kernel, packages, limits, env, secrets, onLoaded } = spec;
  const description = {
    lambda,
    instance,
    handler: handler ?? null,
    memory_mb: limits.memory_mb,
    response_bytes_max: limits.response_kb * 1024,
    env,
    ...(node === undefined ? {} : { entry: node }),
    ...(kernel === undefined ? {} : { kernel }),
    path: packages === undefined ? [] : [PACKAGES_DIR],
    watch_imports: onLoaded !== undefined,
  };
  return {
    code: codeDir ?? null,
    packages: packages?.dir ?? null,
    limits: sandboxLimits(limits),
    secrets,
    description,
  };
}

type Started = Pick<
  SandboxSpec,
  | 'lambda'
  | 'instance'
  | 'codeDir'
  | 'handler'
  | 'node'
  | 'kernel'
  | 'packages'
  | 'limits'
  | 'env'
  | 'secrets'
  | 'onLoaded'
>;

export type SlotRequest =
  | ({ op: 'prepare'; slot: number } & Making)
  | ({ op: 'start'; slot: number } & Start)
  | { op: 'pause' | 'resume' | 'kill'; slot: number }
  /** Answered once, or by the slot's end. */
  | { op: 'end-fork'; slot: number; fork: number };

export type SlotEnding =
  | { cause: 'exit'; status: number }
  | { cause: 'signal'; signal: string }
  | { cause: 'out-of-memory' }
  | { cause: 'destroyed' }
  | { cause: 'lost'; reason: string }
  | { cause: 'failed'; step: string; reason: string };
