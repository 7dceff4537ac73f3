/**
 * The words between an engine's slots and what makes their sandboxes: the spawner's namespaces, or Docker's
 * containers. Requests are carried out in order, slot by slot; each slot is told its end last, exactly once.
 */
import { tmpMb } from '../config/lambda-spec.ts';
import type { NetworkSpec } from '../config/network.ts';
import type { Limits } from '../config/settings.ts';

/** The part of the limits that holds for a sandbox as a whole; the rest is the worker's affair, or the runtime's. */
export type SandboxLimits = Pick<Limits, 'memory_mb' | 'procs' | 'cpu_percent' | 'tmp_mb' | 'scratch_mb' | 'output_kb'>;

export function sandboxLimits(limits: Limits): SandboxLimits {
  const { memory_mb, procs, cpu_percent, scratch_mb, output_kb } = limits;
  return { memory_mb, procs, cpu_percent, tmp_mb: tmpMb(limits), scratch_mb, output_kb };
}

/** How a sandbox is made, as far as that can not be changed when code is handed over. */
export interface Making {
  /** With an interpreter of its own instead of a zygote's. */
  fresh: boolean;
  /** In the host's network namespace. */
  host_network: boolean;
  /** From the zygote of that number; null for one that has imported no packages. */
  branch: number | null;
  /** Given where they can not be changed later. */
  limits?: SandboxLimits;
}

/** What is handed over. */
export interface Start {
  code: string;
  /** Directory of the set of packages. */
  packages: string | null;
  limits: SandboxLimits;
  /** Names only. */
  secrets: readonly string[];
  network: NetworkSpec;
  description: Record<string, unknown>;
}

export type SlotRequest =
  | ({ op: 'prepare'; slot: number } & Making)
  | ({ op: 'start'; slot: number } & Start)
  | { op: 'pause' | 'resume' | 'kill'; slot: number };

export type SlotEnding =
  | { cause: 'exit'; status: number }
  | { cause: 'signal'; signal: string }
  | { cause: 'out-of-memory' }
  | { cause: 'destroyed' }
  | { cause: 'lost'; reason: string }
  | { cause: 'failed'; step: string; reason: string };
