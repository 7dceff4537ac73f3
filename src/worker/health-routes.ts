/** Whether the process lives and whether it can serve, for those who start processes and send them traffic. */
import type { Context } from 'hono';
import type { App, HttpEnv } from '../http/app.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { Worker } from './worker.ts';

export function addHealthRoutes(app: App, { worker, engine }: { worker: Worker; engine: Engine }): void {
  app.getOnly('/livez', (c) => say(c, 200, 'alive'));
  app.getOnly('/readyz', (c) => {
    if (worker.state !== 'ready') return say(c, 503, worker.state);
    return engine.ready() ? say(c, 200, 'ready') : say(c, 503, 'no sandbox can be made at the moment');
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
