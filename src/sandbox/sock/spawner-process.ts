/**
 * The spawner as a child process: started with its configuration on stdin, spoken to over descriptor 3 in
 * JSON lines, ready or dead. Its own side is spawner/spawner.py; worker_link.py beside it lists the messages.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { Failure } from '../../config/failure.ts';
import type { Limits, Network } from '../../config/settings.ts';
import type { SandboxLimits, SlotEnding, SlotRequest, Start } from '../maker.ts';
import type { ZygoteEnding } from '../sandbox.ts';
import type { MemoryFiles } from './memory-count.ts';

export type Base = { kind: 'host'; etcDir: string } | { kind: 'directory'; path: string };

/** `path` inside; `source` is the host's file that is to be seen there, null if the base has it there itself. */
export interface NodeProgram {
  path: string;
  source: string | null;
}

export interface SpawnerConfig {
  worker_dir: string;
  marker: string;
  id_base: number;
  base: Base;
  secrets_dir: string;
  /** The Python that sandboxes run, by its path inside the base. */
  python: string;
  node: NodeProgram;
  /** Name under /runtime inside → directory on the host. */
  cargo: Record<string, string>;
  limits: SandboxLimits;
  /** The most that `limits.scratch_mb` will ever be when code is handed over. */
  scratch_mb_max: number;
  /** What a zygote may use by itself: as much as any lambda, which could import the same. */
  zygote_limits: Pick<Limits, 'memory_mb' | 'procs'>;
  /** Forks after which a zygote is followed by a fresh one. */
  zygote_forks_max: number;
  network_allowed: readonly Network[];
}

export type SpawnerRequest =
  | SlotRequest
  | { op: 'measure' }
  | { op: 'memory'; slot: number | null }
  | ({ op: 'grow'; branch: number } & Growing)
  | ({ op: 'load'; branch: number } & Loading)
  | { op: 'retire'; branch: number };

/** A zygote that is to load a lambda's code. */
interface Loading extends Omit<Start, 'network'> {
  seeded: Readonly<Record<string, number>>;
}

/** A zygote that is to be made from another one. */
export interface Growing {
  /** The branch that it is made from. */
  parent: number | null;
  /** Directory of the set of packages; null if it has those of its parent. */
  packages: string | null;
  modules: readonly string[];
  /** Whether it imports what sessions take. */
  kernels: boolean;
  memory_mb: number;
}

export type SpawnerEvent =
  | {
      ev: 'ready';
      python: string;
      uses: string[];
      weaker: string[];
      oom_file: string | null;
      cpu_file: string | null;
      peak_file: string | null;
      memory_files: MemoryFiles | null;
    }
  | { ev: 'zygote'; zygote: number; state: 'ready' | 'retired' }
  /** `reason` is null if it was meant to end; `zygote` is null if it did not even begin. */
  | { ev: 'zygote'; zygote: number | null; state: 'ended'; reason: string | null }
  | { ev: 'unfit'; reason: string }
  | { ev: 'listening' | 'waiting' | 'started'; slot: number }
  | ({ ev: 'ended'; slot: number; peak_bytes: number | null; cpu_us: number | null } & SlotEnding)
  | {
      ev: 'fork-ended';
      slot: number;
      fork: number;
      peak_bytes: number | null;
      cpu_us: number | null;
      oom: boolean | null;
    }
  | { ev: 'left'; path: string; reason: string }
  | { ev: 'memory'; slots: Record<string, number> }
  | { ev: 'branch'; branch: number; state: 'ready'; zygote: number; report: unknown }
  | { ev: 'branch'; branch: number; state: 'ended'; ending: ZygoteEnding }
  | { ev: 'measured'; branches: Record<string, number> };

const MAIN = 'import sys; sys.path.insert(0, sys.argv[1]); from spawner import spawner; spawner.main()';
const STDERR_KEPT_BYTES = 8192;
const READY_MS_MAX = 20_000;
const EXIT_MS_MAX = 5_000;

export class SpawnerProcess {
  readonly #child: ChildProcess;
  readonly #link: Duplex;
  readonly #onEvent: (event: SpawnerEvent) => void;
  #unread = '';
  #stderr = '';
  /** Resolves with what it wrote to stderr when the process has ended. */
  readonly exited: Promise<string>;

  constructor(python: string, programDir: string, onEvent: (event: SpawnerEvent) => void) {
    this.#onEvent = onEvent;
    this.#child = spawn(python, ['-I', '-S', '-B', '-c', MAIN, `${programDir}/sandbox/sock`], {
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', LANG: 'C.UTF-8' },
      // Its own session: a signal to the worker's process group must leave it to clean up after us.
      detached: true,
    });
    this.#link = this.#child.stdio[3] as Duplex;
    this.#link.setEncoding('utf8');
    this.#link.on('data', (text: string) => this.#read(text));
    // A spawner that died tells so by its exit; writing to it meanwhile must not end the worker.
    this.#link.on('error', () => {});
    this.#child.stdin?.on('error', () => {});
    this.#child.stderr?.setEncoding('utf8');
    this.#child.stderr?.on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT_BYTES);
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(`${python} could not be started: ${error.message}`));
      this.#child.once('close', () => resolve(this.#stderr.trim()));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when the first zygote is ready; rejects with `machine-unfit` if that can not be. */
  async start(config: SpawnerConfig, ready: Promise<void>): Promise<void> {
    this.#child.stdin?.end(`${JSON.stringify(config)}\n`);
    const timer = new AbortController();
    const late = once(AbortSignal.timeout(READY_MS_MAX), 'abort', { signal: timer.signal });
    try {
      await Promise.race([
        ready,
        this.exited.then((said) => {
          throw unfit(said || 'the spawner ended without a word');
        }),
        late.then(() => {
          throw unfit(`no sandbox was ready after ${READY_MS_MAX / 1000} s`);
        }),
      ]);
    } catch (error) {
      this.#child.kill('SIGKILL');
      throw error;
    } finally {
      timer.abort();
      late.catch(() => {});
    }
  }

  send(request: SpawnerRequest): void {
    this.#link.write(`${JSON.stringify(request)}\n`);
  }

  /** Hangs up; the spawner then kills and removes everything and ends. True if it did so by itself. */
  async close(): Promise<boolean> {
    this.#link.destroy();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), EXIT_MS_MAX);
    await this.exited;
    clearTimeout(timer);
    return this.#child.exitCode === 0;
  }

  #read(text: string): void {
    const lines = (this.#unread + text).split('\n');
    this.#unread = lines.pop() as string;
    for (const line of lines) this.#onEvent(JSON.parse(line) as SpawnerEvent);
  }
}

export function unfit(said: string): Failure {
  return new Failure(
    'machine-unfit',
    `sandboxes can not be made on this machine: ${lastLine(said)}; \`admin doctor\` says what is missing`,
    { step: 'start the spawner', problems: said.split('\n') },
  );
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
