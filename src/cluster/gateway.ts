/** The gateway of a cluster: its files, and its start. */
import { Failure } from '../config/failure.ts';
import { GATEWAY_GRACE_MS } from '../config/limits.ts';
import type { Address } from './fleet.ts';
import type { Layout } from './layout.ts';
import { readServer, refuseTakenPort, type Server, type StartedServer, startServer } from './server.ts';
import type { Program } from './spawn-worker.ts';

export const GATEWAY_PORT = 8_090;

export interface GatewayOrder {
  layout: Layout;
  address: Address;
  /** What `gateway-exec` is told besides its cluster, host and port. */
  args: readonly string[];
  program: Program;
  /** Aborted when whoever asked no longer waits; it is stopped then. */
  signal: AbortSignal;
}

export function gatewayServer(layout: Layout): Server {
  return {
    name: 'gateway',
    pidFile: layout.gatewayPidFile,
    addressFile: layout.gatewayConfig,
    log: layout.gatewayLog,
    graceMs: GATEWAY_GRACE_MS,
  };
}

/**
 * Resolves when it serves. One that runs already at that port is left as it is. Throws Failure `conflict` (another
 * one runs, the port is taken) or `worker-failed`, with everything as it was before.
 */
export async function startGateway({ layout, address, args, program, signal }: GatewayOrder): Promise<StartedServer> {
  const gateway = gatewayServer(layout);
  const { state, address: there } = readServer(gateway);
  if (state.kind === 'running') {
    const { pid } = state;
    if (there !== undefined && (address.port === 0 || address.port === there.port)) {
      return { pid, address: there, log: gateway.log, already: true };
    }
    const where = `runs already (pid ${pid}) on port ${there?.port ?? 'unknown'}`;
    throw new Failure('conflict', `the gateway of this cluster ${where}; stop it with \`admin kill\` first`);
  }
  await refuseTakenPort(address);
  const command = ['gateway-exec', `--cluster=${layout.root}`, ...args];
  return startServer(gateway, { address, args: command, env: process.env, program, signal });
}
