/** Whether the process lives and whether it can serve, for those who start processes and send them traffic. */
import type { Context } from 'hono';
import type { App, HttpEnv } from '../http/app.ts';
import type { Endpoints } from '../http/endpoint.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { Worker } from './worker.ts';

export const HEALTH_ENDPOINTS = {
  alive: { method: 'GET', path: '/livez', answers: '200 `alive`' },
  ready: { method: 'GET', path: '/readyz', answers: '200 `ready`; 503 with why calls had better go elsewhere' },
} as const satisfies Endpoints;

export function addHealthRoutes(app: App, { worker, engine }: { worker: Worker; engine: Engine }): void {
  app.add(HEALTH_ENDPOINTS, {
    alive: (c) => say(c, 200, 'alive'),
    ready: (c) => {
      if (worker.state !== 'ready') return say(c, 503, worker.state);
      return engine.ready() ? say(c, 200, 'ready') : say(c, 503, 'no sandbox can be made at the moment');
    },
  });
}

function say(c: Context<HttpEnv>, status: number, word: string): Response {
  const headers = {
    'Content-Type': 'text/plain',
    'Cache-Control': 'no-store',
    'X-Request-Id': requestIdOf(c.env.incoming),
  };
  return new Response(`${word}\n`, { status, headers });
}
