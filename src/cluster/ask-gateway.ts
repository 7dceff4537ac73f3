/** Asking the gateway how it is, and which agents it has. */
import { CONFIG_BYTES_MAX, PING_WAIT_MS } from '../config/limits.ts';
import { isPlain } from '../config/parse.ts';
import { ask } from './ask.ts';
import { urlOf } from './fleet.ts';
import { gatewayServer } from './gateway.ts';
import type { Layout } from './layout.ts';
import { readServer } from './server.ts';

export interface AskedAgent {
  id: string;
  /** `alive`, `away` or `lost`. */
  status: string;
  version: string;
  sessions: number;
}

export interface AskedGateway {
  /** `gateway` if nobody knows where it listens. */
  url: string;
  pid: number | null;
  log: string;
  reachable: boolean;
  /** For people: `running, 3 sessions [200 OK]`, or why not. */
  says: string;
  agents: AskedAgent[];
}

/** Undefined if there is none that runs or should. Never rejects: that it is silent is an answer too. */
export async function askGateway(layout: Layout): Promise<AskedGateway | undefined> {
  const { state, address } = readServer(gatewayServer(layout));
  if (state.kind === 'stopped') return undefined;
  const log = layout.gatewayLog;
  const facts = {
    url: address === undefined ? 'gateway' : urlOf(address),
    pid: state.kind === 'running' ? state.pid : null,
    log,
  };
  const silent = (reason: string): AskedGateway => {
    return { ...facts, reachable: false, says: `not reachable (${reason}; see ${log})`, agents: [] };
  };
  // Somebody else may have a dead one's port by now.
  if (state.kind === 'died') return silent('it died');
  if (address === undefined) return silent('nobody knows its port');
  const heard = await ask(address, { path: '/manager/status', waitMs: PING_WAIT_MS, bytesMax: CONFIG_BYTES_MAX });
  if (heard.kind === 'silent') return silent(heard.reason);
  const { httpStatus, httpReason } = heard;
  const said = httpStatus === 200 ? saidIn(heard.body) : {};
  const says = `${said.status ?? 'not ready'}, ${said.active_sessions ?? 0} sessions [${httpStatus} ${httpReason}]`;
  const agents = Array.isArray(said.agents) ? (said.agents as AskedAgent[]) : [];
  return { ...facts, reachable: httpStatus === 200, says, agents };
}

/** Somebody else may listen there. */
function saidIn(body: Buffer): Record<string, unknown> {
  try {
    const said: unknown = JSON.parse(body.toString('utf8'));
    return isPlain(said) ? said : {};
  } catch {
    return {};
  }
}
