/** The whole API of a gateway as an app; its WebSockets are streams/upgrade.ts. */
import { type App, createApp, type HttpEnv } from '../http/app.ts';
import type { Log } from '../lib/log.ts';
import { absentRoutes } from './absent-routes.ts';
import { meantMethod } from './api-call.ts';
import { ApiProblem, apiProblemOf } from './api-problem.ts';
import { authRoutes } from './auth-routes.ts';
import { executeRoutes } from './execute-routes.ts';
import { fileRoutes } from './file-routes.ts';
import { forkRoutes } from './fork-routes.ts';
import { logRoutes } from './log-routes.ts';
import type { ManagerStatus } from './manager-status.ts';
import { type OneShotOptions, oneShotRoutes } from './one-shot.ts';
import { resourceRoutes } from './resource-routes.ts';
import { addRoutes, exchangeOf, type Gate, preflight, problemAnswer } from './route.ts';
import { type SessionRouteOptions, sessionRoutes } from './session-routes.ts';
import { type EventRouteOptions, eventRoutes } from './streams/events.ts';
import { type SystemRouteOptions, systemRoutes } from './system-routes.ts';

export interface GatewayOptions extends SessionRouteOptions, OneShotOptions, EventRouteOptions, SystemRouteOptions {
  gate: Gate;
  status: ManagerStatus;
  log: Log;
}

export function gatewayApp(options: GatewayOptions): App {
  const app = createApp(options.log);
  app.notFound((c) => {
    if (c.req.method === 'OPTIONS') return preflight(c);
    const detail = 'There is nothing here; docs/gateway.md lists what there is.';
    return problemAnswer(new ApiProblem('generic-not-found', undefined, { detail }), exchangeOf(c));
  });
  app.onError((error, c) => {
    options.log('error', 'a request failed unexpectedly', { err: error });
    return problemAnswer(apiProblemOf(error), exchangeOf(c));
  });
  // In this order: `/kernel/_/...` and `/kernel/create` are no tokens.
  const routes = [
    ...systemRoutes(options),
    ...authRoutes(options.keys),
    ...eventRoutes(options),
    ...oneShotRoutes(options),
    ...forkRoutes(options),
    ...logRoutes(options),
    ...sessionRoutes(options),
    ...executeRoutes(options),
    ...fileRoutes(options),
    ...resourceRoutes(options),
    ...absentRoutes(),
  ];
  addRoutes(app, routes, options.gate);
  takeOverrides(app);
  return app;
}

/** A request that means another method takes that one's route. It is no middleware, which would be the route of all. */
function takeOverrides(app: App): void {
  const { fetch } = app;
  app.fetch = (request, ...rest) => {
    const [env] = rest as [HttpEnv['Bindings']];
    const method = meantMethod(env.incoming);
    return fetch(method !== request.method ? new Request(request.url, { method }) : request, ...rest);
  };
}
