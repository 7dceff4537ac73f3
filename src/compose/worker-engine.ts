/** The engine that a worker's settings ask for: the one place that names one. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { resolveBase } from '../cluster/base.ts';
import { findNode } from '../cluster/node.ts';
import { findPython } from '../cluster/python.ts';
import type { Network, WorkerSettings } from '../config/settings.ts';
import type { Log } from '../lib/log.ts';
import { reclaimDocker } from '../sandbox/docker/reclaim.ts';
import type { Engine, ZygoteEngine } from '../sandbox/sandbox.ts';
import { startSockEngine } from '../sandbox/sock/engine.ts';
import { withImportCache } from './import-cache.ts';
import { programDir } from './program-dir.ts';
import { reclaim } from './reclaim.ts';

/** Directories of a worker that its engine finds there. */
const WORKER_DIRS = ['handlers', 'import-cache'];

/**
 * `memoryBytesMax`: what all instances may take together; without it there is no import cache. Rejects with what this
 * machine lacks.
 */
export async function startEngine(settings: WorkerSettings, log: Log, memoryBytesMax?: number): Promise<Engine> {
  for (const name of WORKER_DIRS) mkdirSync(join(settings.worker_dir, name), { recursive: true });
  if (settings.sandbox === 'docker') return startDocker(settings, log);
  const engine = await startSock(settings, log);
  return memoryBytesMax === undefined ? engine : withImportCache(settings, { engine, memoryBytesMax, log });
}

async function startDocker(settings: WorkerSettings, log: Log): Promise<Engine> {
  await reclaim(settings.worker_dir);
  // Its client takes long to load.
  const { startDockerEngine } = await import('../sandbox/docker/engine.ts');
  return startDockerEngine({
    workerDir: settings.worker_dir,
    image: settings.docker.image,
    packagesDir: settings.packages_dir,
    secretsDir: settings.secrets_dir,
    programDir: programDir(),
    limits: settings.limits,
    poolSize: settings.pool_size,
    poolMax: settings.pool_max,
    log,
  });
}

async function startSock(settings: WorkerSettings, log: Log): Promise<ZygoteEngine> {
  // Of a run with the other engine; what one of its own left it finds itself.
  await reclaimDocker(settings.worker_dir);
  const base = await resolveBase(settings);
  const python = await findPython(base, settings.python);
  // The spawner runs on the host, whatever sandboxes see.
  const hostPython = base.kind === 'host' ? python : await findPython({ kind: 'host', etcDir: '' }, '');
  return startSockEngine({
    workerDir: settings.worker_dir,
    base,
    python: python.path,
    node: findNode(base),
    hostPython: hostPython.path,
    secretsDir: settings.secrets_dir,
    programDir: programDir(),
    limits: settings.limits,
    limitsMax: settings.limits_max,
    poolSize: settings.pool_size,
    poolMax: settings.pool_max,
    zygoteForksMax: settings.zygote_forks_max,
    networkAllowed: networksOf(settings),
    log,
  });
}

/** What lambdas may ask for, and what builds of packages have. */
function networksOf({ network_allowed, packages_build }: WorkerSettings): readonly Network[] {
  return packages_build === 'outbound' ? [...new Set([...network_allowed, 'outbound' as const])] : network_allowed;
}
