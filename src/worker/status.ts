/** What `GET /status` says to those who accept JSON. Names are those of the document. */
import { within } from '../lib/within.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { ImportCacheView } from '../sandbox/zygote-view.ts';
import type { CallTally } from './call-tally.ts';
import type { LoaderView } from './loaders.ts';
import type { Worker } from './worker.ts';

export interface WorkerStatus {
  state: 'ready' | 'stopping';
  engine: string;
  python: string;
  /** What sandboxes are told apart and limited by on this machine, one phrase each. */
  uses: readonly string[];
  /** Walls that are weaker on this machine than promised, one sentence each. */
  weaker: readonly string[];
  /** Memory of the worker's own process. */
  worker_memory_bytes: number;
  /** Sandboxes that wait for code. */
  pool: { waiting: number; target: number };
  zygotes: number;
  /** Processes that have loaded a lambda's code, of which its instances are forks. */
  loaders: readonly LoaderView[];
  /** Where there is one. */
  import_cache?: ImportCacheView;
  /** Those that have been called since the worker started. */
  lambdas: readonly LambdaStatus[];
  sandboxes: readonly SandboxStatus[];
}

/** Counts are since the worker started. */
export interface LambdaStatus {
  lambda: string;
  /** Calls that wait for an instance now. */
  waiting: number;
  calls: number;
  errors: number;
  cold_starts: number;
  run_ms: number;
}

export interface SandboxStatus {
  lambda: string;
  instance: number;
  engine: string;
  state: 'starting' | 'busy' | 'idle' | 'paused';
  age_ms: number;
  /** Events that it was given. */
  calls: number;
  /** Null as long as it is not known. */
  memory_bytes: number | null;
}

/** An engine that does not answer must not make the worker look dead. */
const MEMORY_WAIT_MS_MAX = 500;

export interface StatusSources {
  worker: Worker;
  engine: Engine;
  tally: CallTally;
}

export async function workerStatus({ worker, engine, tally }: StatusSources): Promise<WorkerStatus> {
  const { poolWaiting, poolTarget, zygotes } = engine.stats();
  return {
    state: worker.state,
    ...engine.facts(),
    worker_memory_bytes: process.memoryUsage.rss(),
    pool: { waiting: poolWaiting, target: poolTarget },
    zygotes,
    loaders: worker.loaders(),
    ...importCacheOf(engine),
    lambdas: worker.lambdas().map(({ lambda, waiting }) => {
      const { calls, errors, cold, runMs } = tally.get(lambda) ?? { calls: 0, errors: 0, cold: 0, runMs: 0 };
      return { lambda, waiting, calls, errors, cold_starts: cold, run_ms: Math.round(runMs) };
    }),
    sandboxes: await sandboxesOf(worker, engine),
  };
}

function importCacheOf(engine: Engine): Pick<WorkerStatus, 'import_cache'> {
  const view = engine.imports?.();
  return view === undefined ? {} : { import_cache: view };
}

async function sandboxesOf(worker: Worker, engine: Engine): Promise<SandboxStatus[]> {
  const { engine: engineName } = engine.facts();
  const memory = await memoryOf(engine);
  const nowMs = Date.now();
  const sandboxes: SandboxStatus[] = [];
  for (const { lambda, instance, state, sandboxId, bornMs, calls } of worker.sandboxes()) {
    if (state === 'ending') continue;
    const bytes = sandboxId === undefined ? undefined : memory.get(sandboxId);
    const age = Math.max(0, nowMs - bornMs);
    sandboxes.push({ lambda, instance, engine: engineName, state, age_ms: age, calls, memory_bytes: bytes ?? null });
  }
  return sandboxes;
}

/** Memory of each sandbox in bytes, by id; nothing if the engine does not say in time. */
export async function memoryOf(engine: Engine): Promise<ReadonlyMap<string, number>> {
  const unknown = (): ReadonlyMap<string, number> => new Map();
  return within(MEMORY_WAIT_MS_MAX, engine.memory().catch(unknown), unknown);
}
