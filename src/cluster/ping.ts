/** Asking a worker how it is. */
import { PING_BYTES_MAX, PING_WAIT_MS } from '../config/limits.ts';
import { ask } from './ask.ts';
import type { Address } from './fleet.ts';

/** What `GET /status` with `Accept: application/json` answers; older or other servers may lack anything. */
export interface WorkerStatus {
  state?: string;
  engine?: string;
  python?: string;
  uses?: string[];
  weaker?: string[];
  worker_memory_bytes?: number;
  pool?: { waiting: number; target: number };
  zygotes?: number;
  loaders?: LoaderStatus[];
  import_cache?: ImportCacheStatus;
  lambdas?: LambdaStatus[];
  sandboxes?: SandboxStatus[];
}

/** A lambda as a worker tells of it; counts are since the worker started. */
export interface LambdaStatus {
  lambda: string;
  waiting: number;
  calls: number;
  errors: number;
  cold_starts: number;
  run_ms: number;
}

/** A process that has loaded a lambda's code, as a worker tells of it. */
export interface LoaderStatus {
  lambda: string;
  version: string;
  import_ms: number;
  forks: number;
  memory_bytes: number | null;
}

/** The import cache as a worker tells of it. */
export interface ImportCacheStatus {
  hits: number;
  misses: number;
  saved_ms: number;
  zygotes: ZygoteStatus[];
  kept_out: { members: string[]; module: string | null; reason: string }[];
}

export interface ZygoteStatus {
  zygote: number;
  parent: number | null;
  packages: string[];
  added: string[];
  hits: number;
  saved_ms: number;
  import_ms: number;
  memory_bytes: number | null;
  waiting: number;
  forks: number;
}

/** A sandbox as a worker tells of it. */
export interface SandboxStatus {
  lambda: string;
  instance: number;
  engine: string;
  state: string;
  age_ms?: number;
  calls?: number;
  memory_bytes: number | null;
}

export type Ping =
  | { kind: 'answer'; httpStatus: number; httpReason: string; status: WorkerStatus }
  | { kind: 'silent'; reason: string };

/** Never rejects: that a worker is silent is an answer too. */
export async function ping(address: Address): Promise<Ping> {
  const heard = await ask(address, {
    path: '/status',
    headers: { accept: 'application/json' },
    waitMs: PING_WAIT_MS,
    bytesMax: PING_BYTES_MAX,
  });
  if (heard.kind === 'silent') return { kind: 'silent', reason: heard.reason };
  const { httpStatus, httpReason, body } = heard;
  return { kind: 'answer', httpStatus, httpReason, status: parseStatus(body.toString('utf8')) };
}

/** Whoever answers with something else than our JSON has a word to say all the same. */
function parseStatus(body: string): WorkerStatus {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as WorkerStatus;
  } catch {
    // Not JSON: text.
  }
  return { state: body.trim().split('\n')[0]?.slice(0, 80) ?? '' };
}
