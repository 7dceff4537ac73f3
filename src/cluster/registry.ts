/** The registry's server of a cluster: its files, and its start. */
import { rmSync } from 'node:fs';
import { Failure } from '../config/failure.ts';
import { REGISTRY_GRACE_MS } from '../config/limits.ts';
import { type Address, reachable } from './fleet.ts';
import type { Layout } from './layout.ts';
import { type RegistryKeys, readRegistryKeys, writeRegistryKeys } from './registry-keys.ts';
import {
  readServer,
  refuseTakenPort,
  type Server,
  type ServerState,
  type StartedServer,
  startServer,
} from './server.ts';
import type { Program } from './spawn-worker.ts';

/** What OpenLambda's registry listened on. */
export const REGISTRY_PORT = 9_000;

export interface RegistryOrder {
  layout: Layout;
  address: Address;
  keys: RegistryKeys;
  keysFile: string;
  program: Program;
  /** Aborted when whoever asked no longer waits; it is stopped then. */
  signal: AbortSignal;
}

export function registryServer(layout: Layout): Server {
  return {
    name: 'registry',
    pidFile: layout.registryPidFile,
    addressFile: layout.registryConfig,
    log: layout.registryLog,
    graceMs: REGISTRY_GRACE_MS,
  };
}

/** Where its clients are: those of this machine, if it listens at every address. */
export function registryUrl(address: Address): string {
  const { host, port } = reachable(address);
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Resolves when it serves. One that runs already with the same keys, at that port, is left as it is. Throws
 * Failure `conflict` (another one runs, the port is taken) or `worker-failed`, with everything as it was before.
 */
export async function startRegistry(order: RegistryOrder): Promise<StartedServer> {
  const { layout, keys, keysFile, address, program, signal } = order;
  const registry = registryServer(layout);
  const before = readServer(registry);
  const keysBefore = readRegistryKeys(keysFile);
  if (before.state.kind === 'running') return alreadyRunning(order, before, keysBefore);
  await refuseTakenPort(address);
  writeRegistryKeys(keysFile, keys);
  try {
    const { ISLA_REGISTRY_ACCESS_KEY: _a, ISLA_REGISTRY_SECRET_KEY: _s, ...env } = process.env;
    const command = ['registry-exec', `--cluster=${layout.root}`];
    return await startServer(registry, { address, args: command, env, program, signal });
  } catch (error) {
    if (keysBefore === undefined) rmSync(keysFile, { force: true });
    else writeRegistryKeys(keysFile, keysBefore);
    throw error;
  }
}

function alreadyRunning(
  { layout, address, keys }: RegistryOrder,
  { state, address: there }: ServerState,
  keysThere: RegistryKeys | undefined,
): StartedServer {
  const pid = state.kind === 'running' ? state.pid : 0;
  const samePort = there !== undefined && (address.port === 0 || address.port === there.port);
  const sameKeys = keysThere?.accessKey === keys.accessKey && keysThere.secretKey === keys.secretKey;
  if (samePort && sameKeys) return { pid, address: there, log: layout.registryLog, already: true };
  const other = samePort ? 'with other keys' : `on port ${there?.port ?? 'unknown'}`;
  throw new Failure(
    'conflict',
    `the registry of this cluster runs already (pid ${pid}) ${other}; stop it with \`admin kill\` first`,
  );
}
