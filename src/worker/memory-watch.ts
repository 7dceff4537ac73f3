/**
 * Keeps the memory of all instances within what they may take, and the machine out of the hands of the
 * kernel's out-of-memory killer: looks five times a second while there are instances, and has idle ones ended.
 */
import type { Log } from '../lib/log.ts';
import type { MachineMemory } from '../lib/machine-memory.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { Budget } from './budget.ts';
import type { Loaders } from './loaders.ts';
import { shortage } from './memory-policy.ts';

const LOOK_MS = 200;
const MB = 1024 * 1024;

export interface MemoryWatchOptions {
  engine: Pick<Engine, 'memory' | 'memoryInUse' | 'relieve'>;
  budget: Budget;
  loaders: Pick<Loaders, 'relieve'>;
  maxBytes: number;
  readMachine: () => MachineMemory;
  log: Log;
}

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #timer: NodeJS.Timeout;
  #looking = false;
  #short = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#tick(), LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Looks now; resolves when what had to be ended is ending. */
  async look(): Promise<void> {
    const { engine, budget, loaders, maxBytes, readMachine, log } = this.#options;
    const usedBytes = engine.memoryInUse() ?? total(await engine.memory());
    const machine = readMachine();
    const missing = shortage({ usedBytes, maxBytes, machine });
    if (missing === 0) {
      if (this.#short) log('info', 'memory is no longer short', { usedMb: Math.round(usedBytes / MB) });
      this.#short = false;
      budget.relax();
      return;
    }
    // A zygote saves time for many; its memory comes back only with the last sandbox of it. So it is on top.
    engine.relieve?.();
    loaders.relieve();
    const ended = budget.squeeze(missing, await engine.memory());
    if (!this.#short || ended > 0) {
      log('warn', 'memory is short: instances that have been idle longest are ended', {
        ended,
        usedMb: Math.round(usedBytes / MB),
        maxMb: Math.round(maxBytes / MB),
        machineAvailableMb: Math.round(machine.availableBytes / MB),
      });
    }
    this.#short = true;
  }

  async #tick(): Promise<void> {
    // A machine that is short of memory may take longer to look than the time between two looks.
    if (this.#looking || this.#options.budget.taken === 0) return;
    this.#looking = true;
    try {
      await this.look();
    } catch (error) {
      this.#options.log('error', 'the memory of the instances is not known', { err: error });
    } finally {
      this.#looking = false;
    }
  }
}

function total(sizes: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const bytes of sizes.values()) sum += bytes;
  return sum;
}
