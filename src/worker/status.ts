import type { Engine } from '../sandbox/sandbox.ts';
import type { Worker } from './worker.ts';

/** What `GET /status` says to those who accept JSON. */
export interface WorkerStatus {
  state: 'ready' | 'stopping';
  engine: string;
  python: string;
  /** Walls that are weaker on this machine than promised, one sentence each. */
  weaker: readonly string[];
  sandboxes: readonly SandboxStatus[];
}

export interface SandboxStatus {
  lambda: string;
  instance: number;
  engine: string;
  state: 'starting' | 'busy' | 'idle' | 'paused';
  /** Null as long as it is not known. */
  memory_bytes: number | null;
}

/** An engine that does not answer must not make the worker look dead. */
const MEMORY_WAIT_MS_MAX = 500;

export async function workerStatus(worker: Worker, engine: Engine): Promise<WorkerStatus> {
  const facts = engine.facts();
  const memory = await memoryOf(engine);
  const sandboxes: SandboxStatus[] = [];
  for (const { lambda, instance, state, sandboxId } of worker.sandboxes()) {
    if (state === 'ending') continue;
    const bytes = sandboxId === undefined ? undefined : memory.get(sandboxId);
    sandboxes.push({ lambda, instance, engine: facts.engine, state, memory_bytes: bytes ?? null });
  }
  return { state: worker.state, ...facts, sandboxes };
}

async function memoryOf(engine: Engine): Promise<ReadonlyMap<string, number>> {
  const unknown = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<typeof unknown>((resolve) => {
    timer = setTimeout(() => resolve(unknown), MEMORY_WAIT_MS_MAX);
  });
  return Promise.race([engine.memory().catch(() => unknown), late]).finally(() => clearTimeout(timer));
}
