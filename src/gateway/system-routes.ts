/** What the gateway says of itself and of what there is. */
import { METRICS_CONTENT_TYPE, type Metrics } from '../lib/metrics.ts';
import type { AgentCapacity } from '../session/link/hello.ts';
import { json, noContent, text } from './answers.ts';
import { API_VERSION, MAJORS, MANAGER_VERSION } from './api-version.ts';
import type { ManagerStatus } from './manager-status.ts';
import type { Route } from './route.ts';
import type { Sessions } from './sessions.ts';

export interface AgentFacts {
  id: string;
  /** The program's. */
  version: string;
  state: 'alive' | 'away' | 'lost';
  sessions: number;
  lastSeenAtMs: number;
  capacity: AgentCapacity;
}

export interface Agents {
  agents(): readonly AgentFacts[];
}

export interface SystemRouteOptions {
  agents: Agents;
  sessions: Sessions;
  status: ManagerStatus;
  metrics: Metrics;
  /** Of this program. */
  version: string;
  /** After so long a silence an agent is lost. */
  heartbeatTimeoutMs: number;
  /** Before metrics are told. */
  updateMetrics(): Promise<void>;
}

export function systemRoutes(options: SystemRouteOptions): Route[] {
  return [...versionRoutes(options), ...healthRoutes(options), ...statusRoutes(options), ...listRoutes(options)];
}

function versionRoutes({ version }: SystemRouteOptions): Route[] {
  const say = () => json({ version: API_VERSION, manager: MANAGER_VERSION, isla: version });
  const redirect = () => new Response(null, { status: 302, headers: { Location: '/v3/auth/test' } });
  const plain = { method: 'GET', majors: [], need: 'nothing' } as const;
  return [
    {
      ...plain,
      path: '/',
      also: MAJORS.map((major) => `/v${major}`),
      answers: '200 `{"version", "manager", "isla"}`',
      run: say,
    },
    {
      ...plain,
      path: '/v3/authorize',
      also: ['/v1/authorize', '/v2/authorize', '/v4/authorize'],
      answers: '302 to `/v3/auth/test`',
      run: redirect,
    },
  ];
}

function healthRoutes({ metrics, updateMetrics }: SystemRouteOptions): Route[] {
  const plain = { method: 'GET', majors: [], need: 'nothing' } as const;
  const tell = async () => {
    await updateMetrics();
    return text(metrics.text(), 200, METRICS_CONTENT_TYPE);
  };
  return [
    { ...plain, path: '/livez', answers: '200 `alive`', run: () => text('alive\n') },
    { ...plain, path: '/readyz', answers: '200 `ready`', run: () => text('ready\n') },
    { ...plain, path: '/metrics', answers: '200 [metrics](metrics.md)', run: tell },
  ];
}

function statusRoutes({ agents, sessions, status, version, heartbeatTimeoutMs }: SystemRouteOptions): Route[] {
  return [
    {
      method: 'GET',
      path: '/manager/status',
      majors: [2, 3, 4],
      need: 'nothing',
      answers: '200 `{"nodes", "active_sessions", "status", "agents"}`',
      run: ({ incoming: { socket } }) =>
        json({
          nodes: [
            {
              id: 'isla',
              num_proc: 1,
              // Where whoever asks has reached it.
              service_addr: `${socket.localAddress}:${socket.localPort}`,
              heartbeat_timeout: heartbeatTimeoutMs / 1_000,
              status: status.now,
              active_sessions: sessions.size,
              version,
              ssl_enabled: false,
            },
          ],
          active_sessions: sessions.size,
          status: status.now,
          agents: agents.agents().map(agentInfo),
        }),
    },
    {
      method: 'PUT',
      path: '/manager/status',
      majors: [2, 3, 4],
      need: 'superadmin',
      takes: '`{"status": "running" or "frozen", "force_kill"?}`',
      answers: '204',
      run: async (call) => {
        const params = await call.params();
        // Its own client says `frozen`, its own server wanted `FROZEN`.
        const wanted = params.requiredText('status').toLowerCase();
        if (wanted !== 'running' && wanted !== 'frozen') params.problem('status', 'is neither running nor frozen');
        const force = params.flag('force_kill') ?? false;
        params.check();
        await status.set(wanted as 'running' | 'frozen');
        if (force && wanted === 'frozen') await sessions.destroyAll('force-terminated');
        return noContent();
      },
    },
  ];
}

function agentInfo({ id, state, version, sessions, lastSeenAtMs }: AgentFacts): object {
  return { id, status: state, version, sessions, last_seen: new Date(lastSeenAtMs).toISOString() };
}

function listRoutes({ sessions }: SystemRouteOptions): Route[] {
  const key = { method: 'GET', need: 'key' } as const;
  const open = { method: 'GET', majors: [3, 4], need: 'nothing' } as const;
  return [
    {
      ...key,
      majors: [3, 4],
      path: '/languages',
      answers: '200 `{"languages"}`',
      run: async () => json({ languages: await sessions.host.languages() }),
    },
    {
      ...open,
      path: '/config/resource-slots',
      answers: '200 `{"cpu": "count", "mem": "bytes"}`',
      run: () => json({ cpu: 'count', mem: 'bytes' }),
    },
    { ...open, path: '/config/vfolder-types', answers: '200 `[]`', run: () => json([]) },
    {
      ...key,
      majors: [2, 3, 4],
      path: '/scaling-groups',
      answers: '200 `{"scaling_groups": [{"name": "default"}]}`',
      run: () => json({ scaling_groups: [{ name: 'default' }] }),
    },
  ];
}
