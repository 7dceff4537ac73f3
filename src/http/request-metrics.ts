/** How long requests take, by method, status and route. */
import type { Histogram, Metrics } from '../lib/metrics.ts';
import type { Answering, App } from './app.ts';
import { pathPattern } from './endpoint.ts';
import type { PlainHandler } from './plain-answer.ts';

/** In seconds: those of OpenTelemetry's conventions. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);

/** OpenTelemetry's word for every other method. */
const OTHER_METHOD = '_OTHER';

/** The app, with each request's time from its head to its answer observed. Its routes must all be there. */
export function measured(app: App, metrics: Metrics): Answering {
  const family = metrics.histogram(
    {
      name: 'http_server_request_duration_seconds',
      help: 'Time from the head of a request until its answer was made, in seconds.',
      labels: ['http_request_method', 'http_response_status_code', 'http_route'],
    },
    BOUNDS,
  );
  const routeOf = routesOf(app);
  const known = new Map<string, Histogram>();
  const seriesOf = (method: string, status: number, route: string): Histogram => {
    const key = `${method} ${status} ${route}`;
    let series = known.get(key);
    if (series === undefined) {
      series = family.of(METHODS.has(method) ? method : OTHER_METHOD, String(status), route);
      // What clients make up is not kept.
      if (METHODS.has(method)) known.set(key, series);
    }
    return series;
  };
  const measuredPlain = (prefix: string, handler: PlainHandler): PlainHandler => {
    const route = `${prefix}*`;
    let usual: Histogram | undefined;
    return async (incoming, outgoing) => {
      const sinceMs = performance.now();
      const answer = await handler(incoming, outgoing);
      const { method = '' } = incoming;
      let series: Histogram;
      if (method === 'POST' && answer.status === 200) series = usual ??= seriesOf(method, 200, route);
      else series = seriesOf(method, answer.status, route);
      series.observe((performance.now() - sinceMs) / 1000);
      return answer;
    };
  };
  return {
    plain: new Map([...app.plain].map(([prefix, handler]) => [prefix, measuredPlain(prefix, handler)])),
    async fetch(request, env) {
      const sinceMs = performance.now();
      const response = await app.fetch(request, env);
      const { method = '', url = '' } = env.incoming;
      seriesOf(method, response.status, routeOf(url)).observe((performance.now() - sinceMs) / 1000);
      return response;
    },
  };
}

/** From the target of a request to the route that answers it, as it was registered; '' if there is none. */
function routesOf(app: App): (target: string) => string {
  const { paths } = app;
  const exact = new Set(paths.filter((path) => !path.includes('*') && !path.includes(':')));
  const prefixes = paths.filter((path) => path.endsWith('/*')).map((path) => ({ path, prefix: path.slice(0, -1) }));
  const patterns = paths.filter((path) => path.includes(':')).map((path) => ({ path, pattern: pathPattern(path) }));
  return (target) => {
    for (const { path, prefix } of prefixes) if (target.startsWith(prefix)) return path;
    const query = target.indexOf('?');
    const path = query === -1 ? target : target.slice(0, query);
    if (exact.has(path)) return path;
    return patterns.find(({ pattern }) => pattern.test(path))?.path ?? '';
  };
}
