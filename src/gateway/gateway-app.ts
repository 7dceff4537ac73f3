/** The whole API of a gateway as an app; its WebSockets are streams/upgrade.ts. */
import { type App, createApp } from '../http/app.ts';
import type { ApiSection } from '../http/endpoint.ts';
import type { Log } from '../lib/log.ts';
import { absentRoutes } from './absent-routes.ts';
import { LINK_ENDPOINTS } from './agents/door.ts';
import { meantMethod } from './api-call.ts';
import { ApiProblem, apiProblemOf, type Slug, toldOfProblem } from './api-problem.ts';
import { authRoutes } from './auth-routes.ts';
import { executeRoutes } from './execute-routes.ts';
import { fileRoutes } from './file-routes.ts';
import { forkRoutes } from './fork-routes.ts';
import { logRoutes } from './log-routes.ts';
import type { ManagerStatus } from './manager-status.ts';
import { type OneShotOptions, oneShotRoutes } from './one-shot.ts';
import { resourceRoutes } from './resource-routes.ts';
import {
  addRoutes,
  exchangeOf,
  type Gate,
  preflight,
  problemAnswer,
  type Route,
  type RouteSection,
  sectionOf,
} from './route.ts';
import { type SessionRouteOptions, sessionRoutes } from './session-routes.ts';
import { type EventRouteOptions, eventRoutes } from './streams/events.ts';
import { STREAMS } from './streams/upgrade.ts';
import { type SystemRouteOptions, systemRoutes } from './system-routes.ts';

export interface GatewayOptions extends SessionRouteOptions, OneShotOptions, EventRouteOptions, SystemRouteOptions {
  gate: Gate;
  status: ManagerStatus;
  log: Log;
}

/** All that a gateway may be asked. In this order: `/kernel/_/...` and `/kernel/create` are no tokens. */
export function gatewayApi(options: GatewayOptions): {
  requests: readonly RouteSection<Route>[];
  upgrades: readonly ApiSection<Slug>[];
} {
  const requests = [
    sectionOf('The gateway itself', systemRoutes(options)),
    sectionOf('Keys', authRoutes(options.keys)),
    sectionOf('Events', eventRoutes(options)),
    sectionOf('One call, one program', oneShotRoutes(options)),
    sectionOf('Sessions', [
      ...forkRoutes(options),
      ...logRoutes(options),
      ...sessionRoutes(options),
      ...executeRoutes(options),
      ...fileRoutes(options),
    ]),
    sectionOf('Resources', resourceRoutes(options)),
    sectionOf('What is not there', absentRoutes()),
  ];
  const agents: ApiSection<Slug> = { title: 'Agents', tables: [LINK_ENDPOINTS], told: toldOfProblem };
  return { requests, upgrades: [sectionOf('Streams', Object.values(STREAMS)), agents] };
}

export function gatewayApp(options: GatewayOptions): App {
  const { gate, log } = options;
  const { requests } = gatewayApi(options);
  const app = createApp(requests, {
    missing(c, allowed) {
      if (c.req.method === 'OPTIONS') return preflight(c);
      if (allowed === undefined) {
        const detail = 'There is nothing here; docs/reference/http.md lists what there is.';
        return problemAnswer(new ApiProblem('generic-not-found', undefined, { detail }), exchangeOf(c));
      }
      const allow = `${allowed}, OPTIONS`;
      const detail = `${c.req.method} is not possible here; ${allow} are.`;
      const problem = new ApiProblem('method-not-allowed', undefined, { detail, headers: { Allow: allow } });
      return problemAnswer(problem, exchangeOf(c));
    },
    failed(error, c) {
      log('error', 'a request failed unexpectedly', { err: error });
      return problemAnswer(apiProblemOf(error), exchangeOf(c));
    },
  });
  for (const section of requests) addRoutes(app, section, gate);
  takeOverrides(app);
  return app;
}

/** A request that means another method takes that one's route. It is no middleware, which would be the route of all. */
function takeOverrides(app: App): void {
  const fetch = app.fetch.bind(app);
  app.fetch = (request, env) => {
    const method = meantMethod(env.incoming);
    return fetch(method !== request.method ? new Request(request.url, { method }) : request, env);
  };
}
