import type { Metrics } from '../lib/metrics.ts';
import { addProcessMetrics } from '../lib/process-metrics.ts';
import type { Sessions } from './sessions.ts';
import type { OpenStreams } from './streams/open-streams.ts';
import type { Agents } from './system-routes.ts';

export interface MeasuredParts {
  sessions: Sessions;
  fleet: Agents;
  streams: OpenStreams;
}

/** Adds what is counted of a gateway; the returned function brings it up to date. */
export function gatewayMetrics(metrics: Metrics, { sessions, fleet, streams }: MeasuredParts): () => Promise<void> {
  const live = metrics.gauge({ name: 'isla_gateway_sessions', help: 'Sessions that have not ended.' }).of();
  const open = metrics.gauge({ name: 'isla_gateway_streams', help: 'WebSockets and event streams of clients.' }).of();
  const agents = metrics.gauge({
    name: 'isla_gateway_agents',
    help: 'Agents by whether they answer.',
    labels: ['state'],
  });
  const ofProcess = addProcessMetrics(metrics);
  return async () => {
    live.set(sessions.size);
    open.set(streams.size);
    const all = fleet.agents();
    for (const state of ['alive', 'away', 'lost'] as const) {
      agents.of(state).set(all.filter((agent) => agent.state === state).length);
    }
    await ofProcess();
  };
}
