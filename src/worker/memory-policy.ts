/** When a worker's instances take too much memory, and how much of it must be given back. Pure. */
import type { MachineMemory } from '../lib/machine-memory.ts';

export interface MemoryUse {
  /** Of all sandboxes of this worker, zygotes included. */
  usedBytes: number;
  /** What they may take together. */
  maxBytes: number;
  machine: MachineMemory;
}

/** What is given back goes this much further than it must, so that the next instance does not ask again. */
const SLACK = 0.05;

/** The part of the machine's memory that stays free, before the kernel has to end somebody. */
const RESERVE = 0.1;
const RESERVE_BYTES_MAX = 1 << 30;

/** A machine whose processes wait for memory this much of their time, in percent, is kept twice as free. */
const STALLED_PERCENT = 10;

/**
 * Bytes that have to be given back; 0 if there is enough.
 *
 * Stalls alone prove nothing: one sandbox that thrashes below its own limit makes the whole machine's number
 * rise, and would drive out everybody else's warm instances.
 */
export function shortage({ usedBytes, maxBytes, machine }: MemoryUse): number {
  const over = usedBytes > maxBytes ? usedBytes - maxBytes * (1 - SLACK) : 0;
  const reserve = Math.min(machine.totalBytes * RESERVE, RESERVE_BYTES_MAX);
  const wanted = machine.stalledPercent >= STALLED_PERCENT ? 2 * reserve : reserve;
  // What this worker does not use it cannot give back.
  return Math.max(over, Math.min(wanted - machine.availableBytes, usedBytes), 0);
}

/** The part of the machine's memory that a worker's sandboxes take at most, if nobody has said otherwise. */
const SHARE = 0.75;

/** `askedMb` is the setting, 0 to choose; `machineBytes` what the machine, or the container around the worker, has. */
export function memoryMax(askedMb: number, machineBytes: number): number {
  return askedMb > 0 ? askedMb * 1024 * 1024 : Math.floor(machineBytes * SHARE);
}
