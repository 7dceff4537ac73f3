/**
 * What one sandbox has used. As long as it lives, memory by its own word; CPU time by its own word for a call that it
 * answered, and for one that it did not, as the kernel counts it for its control group, less what it has told. The
 * kernel counts what making it took, too.
 */
import { availableParallelism } from 'node:os';
import type { Spent } from './channel.ts';
import { cpuUsIn } from './group-counts.ts';

/** What the kernel has counted of a sandbox until its end, where it does. */
export interface Charged {
  /** Memory, at most. */
  peakBytes: number | undefined;
  /** All its CPU time, in microseconds. */
  cpuUs: number | undefined;
}

/** Asked once: it is a system call, or several. */
const CORES = availableParallelism();

export class Usage {
  readonly #cpuFile: () => string | undefined;
  #peakBytes: number | undefined;
  /** Of the last call that was answered, or was in flight when it all ended. */
  #cpuUs: number | undefined;
  #toldCpuUs = 0;

  /** `cpuFile` says which is the group's; undefined if the kernel does not count, or there is no group yet. */
  constructor(cpuFile: () => string | undefined) {
    this.#cpuFile = cpuFile;
  }

  get peakBytes(): number | undefined {
    return this.#peakBytes;
  }

  /** Of the last call. */
  get cpuUs(): number | undefined {
    return this.#cpuUs;
  }

  /** Of the call in flight, until now. */
  cpuUsSoFar(): number | undefined {
    const totalUs = cpuUsIn(this.#cpuFile());
    return totalUs === undefined ? undefined : this.#untold(totalUs);
  }

  /** A call that took so long was answered. */
  answered({ peakBytes, cpuUs }: Spent, passedUs: number): void {
    this.#peakBytes = peakBytes ?? this.#peakBytes;
    // As far as that can be true.
    this.#cpuUs = cpuUs === undefined ? undefined : Math.min(cpuUs, passedUs * CORES);
    this.#toldCpuUs += this.#cpuUs ?? 0;
  }

  ended({ peakBytes, cpuUs }: Charged, inCall: boolean): void {
    this.#peakBytes = peakBytes ?? this.#peakBytes;
    if (inCall) this.#cpuUs = cpuUs === undefined ? undefined : this.#untold(cpuUs);
  }

  #untold(totalUs: number): number {
    return Math.max(0, totalUs - this.#toldCpuUs);
  }
}
