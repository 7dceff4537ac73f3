/** Asking the registry's server how it is. */
import { CONFIG_BYTES_MAX, PING_WAIT_MS } from '../config/limits.ts';
import { ask } from './ask.ts';
import type { Layout } from './layout.ts';
import { registryServer, registryUrl } from './registry.ts';
import { readServer } from './server.ts';

export interface AskedRegistry {
  /** `registry` if nobody knows where it listens. */
  url: string;
  pid: number | null;
  log: string;
  reachable: boolean;
  /** For people: `ready [200 OK]`, or why not. */
  says: string;
}

/** Undefined if there is none that runs or should. Never rejects: that it is silent is an answer too. */
export async function askRegistry(layout: Layout): Promise<AskedRegistry | undefined> {
  const { state, address } = readServer(registryServer(layout));
  if (state.kind === 'stopped') return undefined;
  const log = layout.registryLog;
  const url = address === undefined ? 'registry' : registryUrl(address).replace('127.0.0.1', 'localhost');
  const silent = (reason: string) => `not reachable (${reason}; see ${log})`;
  // Somebody else may have a dead one's port by now.
  if (state.kind === 'died') return { url, pid: null, log, reachable: false, says: silent('it died') };
  const { pid } = state;
  if (address === undefined) return { url, pid, log, reachable: false, says: silent('nobody knows its port') };
  const heard = await ask(address, { path: '/-/health', waitMs: PING_WAIT_MS, bytesMax: CONFIG_BYTES_MAX });
  if (heard.kind === 'silent') return { url, pid, log, reachable: false, says: silent(heard.reason) };
  const { httpStatus, httpReason } = heard;
  const says = `${httpStatus === 200 ? 'ready' : 'not ready'} [${httpStatus} ${httpReason}]`;
  return { url, pid, log, reachable: httpStatus === 200, says };
}
