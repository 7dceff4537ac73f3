/** What the kernel counts of a sandbox, and of each kernel that was forked there: read from its files when somebody asks. */
import { readFileSync } from 'node:fs';
import { type Deferred, deferred } from '../lib/deferred.ts';

/** Files of the kernel's; undefined where it does not count. */
export interface CountFiles {
  /** Its kills for memory: see oom-count.ts. */
  oom: string | undefined;
  /** CPU time: see usage.ts. */
  cpu: string | undefined;
  /** The most memory that there ever was. */
  peak: string | undefined;
}

/** Undefined where nobody counts, or not any more. */
export interface GroupCounts {
  peakBytes: number | undefined;
  /** In microseconds. */
  cpuUs: number | undefined;
  /** Whether a process was killed for memory. */
  oomKilled: boolean | undefined;
}

export const NOT_COUNTED: GroupCounts = { peakBytes: undefined, cpuUs: undefined, oomKilled: undefined };

/** Lines of files that v1 and v2 have alike. */
const OOM_KILLS = /^oom_kill (\d+)$/m;
const CPU_USAGE = /^usage_usec (\d+)$/m;
const BYTES = /^(\d+)$/m;

export interface GroupsOptions {
  /** Where the kernel counts: of the sandbox by its id, of a fork by `<id>-<fork>`. */
  countFiles(name: string): CountFiles;
  /** Asks for the end of all that is in the groups of a fork. */
  endFork(fork: number): void;
}

/** The control groups of one sandbox: its own, and those of forks. */
export class SandboxGroups {
  readonly #id: string;
  readonly #options: GroupsOptions;
  readonly #endings = new Map<number, Deferred<GroupCounts>>();
  #closed = false;

  constructor(id: string, options: GroupsOptions) {
    this.#id = id;
    this.#options = options;
  }

  counts(fork?: number): GroupCounts {
    const { oom, cpu, peak } = this.#options.countFiles(fork === undefined ? this.#id : `${this.#id}-${fork}`);
    const kills = numberIn(oom, OOM_KILLS);
    return {
      peakBytes: numberIn(peak, BYTES),
      cpuUs: cpuUsIn(cpu),
      oomKilled: kills === undefined ? undefined : kills > 0,
    };
  }

  /** Resolves when nothing is left of them, with what was counted; with nothing if there were none. */
  end(fork: number): Promise<GroupCounts> {
    let ending = this.#endings.get(fork);
    if (ending === undefined) {
      ending = deferred<GroupCounts>();
      this.#endings.set(fork, ending);
      if (this.#closed) ending.resolve(NOT_COUNTED);
      else this.#options.endFork(fork);
    }
    return ending.promise;
  }

  ended(fork: number, counts: GroupCounts): void {
    this.#endings.get(fork)?.resolve(counts);
  }

  /** The sandbox has ended, and all forks with it. */
  close(): void {
    this.#closed = true;
    for (const ending of this.#endings.values()) ending.resolve(NOT_COUNTED);
  }
}

/** Of the `cpu.stat` that every group of a v2 tree has, whoever limits CPU. */
export function cpuUsIn(file: string | undefined): number | undefined {
  return numberIn(file, CPU_USAGE);
}

function numberIn(file: string | undefined, line: RegExp): number | undefined {
  if (file === undefined) return undefined;
  try {
    const found = line.exec(readFileSync(file, 'latin1'))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined; // there is no such group, or it has gone: its end is told with its counts
  }
}
