import { type FleetWorker, listFleet } from './fleet.ts';
import type { Layout } from './layout.ts';
import { type Ping, ping } from './ping.ts';

/** A worker and what it says of itself. */
export interface Asked {
  worker: FleetWorker;
  answer: Ping;
}

/** Asks every worker of the cluster that runs or should run, all at once. */
export function askFleet(layout: Layout): Promise<Asked[]> {
  const workers = listFleet(layout).filter((worker) => worker.state.kind !== 'stopped');
  return Promise.all(workers.map(async (worker) => ({ worker, answer: await askOne(worker) })));
}

/** A dead worker is not asked: somebody else may have its port by now. */
async function askOne({ state, address }: FleetWorker): Promise<Ping> {
  if (state.kind !== 'running') return { kind: 'silent', reason: 'died' };
  if (address === undefined) return { kind: 'silent', reason: 'its configuration can not be read' };
  return ping(address);
}
