/**
 * The routes of the API as data, and how each call passes through to one: version, key, rate, then what it is for.
 * Whatever is thrown on the way becomes a problem; every answer has the same headers.
 */
import type { IncomingMessage } from 'node:http';
import type { Context } from 'hono';
import { type App, type EndpointHandler, type HttpEnv, rawPath } from '../http/app.ts';
import type { BodyMemory } from '../http/body-memory.ts';
import type { ApiSection, Endpoint, Method } from '../http/endpoint.ts';
import { requestIdOf } from '../http/request-id.ts';
import type { UnreadAnswers } from '../http/unread-answers.ts';
import type { Log } from '../lib/log.ts';
import { noContent } from './answers.ts';
import { ApiCall } from './api-call.ts';
import { ApiProblem, apiProblemOf, problemBody, type Slug, toldOfProblem } from './api-problem.ts';
import { apiVersionOf, type Major } from './api-version.ts';
import { authenticated } from './authentication.ts';
import type { KeyRing } from './key-ring.ts';
import { ANONYMOUS_RATE, RATE_WINDOW_S, type Rate, type RateLimiter } from './rate-limit.ts';

export interface Route extends Endpoint<Slug> {
  method: Method | readonly Method[];
  /** Of which `/vN` it is there, too. */
  majors: readonly Major[];
  need: 'nothing' | 'key' | 'superadmin';
  run(call: ApiCall): Promise<Response> | Response;
}

/** Of every call that needs a key. */
const KEY_ERRORS: readonly Slug[] = ['invalid-auth-params', 'auth-failed', 'rate-limit-exceeded', 'invalid-api-params'];

/** What the reference tells of a route. */
export type ToldRoute = Endpoint<Slug> & Pick<Route, 'majors' | 'need'>;

export interface RouteSection<One extends ToldRoute> extends ApiSection<Slug> {
  tables: readonly [Readonly<Record<string, One>>];
}

/** Routes that belong together, in their order. */
export function sectionOf<One extends ToldRoute>(title: string, routes: readonly One[]): RouteSection<One> {
  const table = Object.fromEntries(routes.map((route, at) => [String(at), route]));
  return {
    title,
    tables: [table],
    ...(routes.every(({ need }) => need !== 'nothing') ? { errors: KEY_ERRORS } : {}),
    note: (endpoint) => noteOf(endpoint as ToldRoute),
    told: toldOfProblem,
  };
}

/** Below which versions it is there, too, and who may. */
function noteOf({ majors, need }: ToldRoute): string {
  const [first, last] = [majors.at(0), majors.at(-1)];
  const versions = first === undefined ? '' : first === last ? `\`/v${first}\`` : `\`/v${first}\` to \`/v${last}\``;
  const who = { nothing: 'without a key', key: '', superadmin: 'superadmins' }[need];
  return [versions, who].filter((part) => part !== '').join(', ');
}

export interface Gate {
  keys: KeyRing;
  rates: RateLimiter;
  bodies: BodyMemory;
  unread: UnreadAnswers;
  log: Log;
}

/** Adds the routes of a section, in their order, each below its versions. */
export function addRoutes(app: App, { tables: [table] }: RouteSection<Route>, gate: Gate): void {
  const handlers: Record<string, EndpointHandler> = {};
  for (const [name, route] of Object.entries(table)) {
    handlers[name] = (c, under) => answered(c, { route, major: majorOf(under), gate });
  }
  app.add(table, handlers, ({ majors }) => ['', ...majors.map((major) => `/v${major}`)]);
}

/** Of a request that no route has taken. */
export function exchangeOf({ env: { incoming } }: Context<HttpEnv>): Exchange {
  return { incoming, requestId: requestIdOf(incoming), rate: ANONYMOUS_RATE };
}

/** Of `/vN`, or of nothing. */
function majorOf(under: string): Major | undefined {
  return under === '' ? undefined : (Number(under.slice(2)) as Major);
}

interface Passage {
  route: Route;
  major: Major | undefined;
  gate: Gate;
}

async function answered(c: Context<HttpEnv>, passage: Passage): Promise<Response> {
  const { incoming, outgoing } = c.env;
  const exchange: Exchange = { incoming, requestId: requestIdOf(incoming), rate: ANONYMOUS_RATE };
  try {
    const call = await admitted({ ...exchange, ending: outgoing, names: c.req.param() }, passage, exchange);
    const response = finished(await passage.route.run(call), exchange);
    const length = response.headers.get('content-length');
    if (length === null) passage.gate.unread.follow(incoming, outgoing);
    else passage.gate.unread.hold(incoming, outgoing, Number(length));
    return response;
  } catch (error) {
    const problem = apiProblemOf(error);
    if (problem.status === 500) {
      const { requestId } = exchange;
      passage.gate.log('error', 'a request failed', { requestId, err: problem.cause ?? problem });
    }
    return problemAnswer(problem, exchange);
  }
}

/** What is known of a request before it is known to be a call, for every answer. */
export interface Exchange {
  incoming: IncomingMessage;
  requestId: string;
  rate: Rate;
}

/** The call, once it may be; the key's rate is noted in the exchange. Throws ApiProblem. */
export async function admitted(
  asked: Omit<ConstructorParameters<typeof ApiCall>[0], 'version' | 'bodies'>,
  { route, major, gate }: Pick<Passage, 'major' | 'gate'> & { route: Pick<Route, 'need'> },
  exchange: Exchange,
): Promise<ApiCall> {
  const version = apiVersionOf(asked.incoming.headers, major);
  const call = new ApiCall({ ...asked, version, bodies: gate.bodies });
  if (route.need === 'nothing') return call;
  const { pair, byToken } = await authenticated(call, gate.keys);
  exchange.rate = gate.rates.count(pair.accessKey, pair.rateLimit);
  if (exchange.rate.retryAfterS !== undefined) throw tooOften(exchange.rate);
  gate.keys.use(pair);
  if (route.need === 'superadmin' && gate.keys.userOf(pair)?.role !== 'superadmin') {
    // 401 and not 403, as the original has it.
    throw new ApiProblem('auth-failed', 'Unauthorized access', { detail: 'Only a superadmin may do this.' });
  }
  call.pair = pair;
  call.byToken = byToken;
  return call;
}

/** What `retryAfterS` is for. */
export function tooOften({ limit, retryAfterS }: Rate): ApiProblem {
  return new ApiProblem('rate-limit-exceeded', undefined, {
    detail: `${limit} calls in ${RATE_WINDOW_S} s are allowed; the next in ${retryAfterS} s.`,
    headers: { 'Retry-After': String(retryAfterS) },
  });
}

export function problemAnswer(problem: ApiProblem, exchange: Exchange): Response {
  const { incoming, requestId } = exchange;
  const body = problemBody(problem, { instance: rawPath(incoming.url ?? '/'), requestId });
  const headers = { 'Content-Type': 'application/problem+json', ...problem.facts.headers };
  return finished(new Response(body, { status: problem.status, headers }), exchange);
}

/** Any page of anybody may ask: it has to bring a key. */
export function preflight(c: Context<HttpEnv>): Response {
  const response = finished(noContent(), exchangeOf(c));
  response.headers.set('Access-Control-Allow-Methods', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
  const asked = c.env.incoming.headers['access-control-request-headers'];
  response.headers.set('Access-Control-Allow-Headers', asked ?? '*');
  response.headers.set('Access-Control-Max-Age', '600');
  return response;
}

export function finished(response: Response, { incoming, requestId, rate }: Exchange): Response {
  const { headers } = response;
  for (const [name, value] of commonHeaders({ requestId, rate })) headers.set(name, value);
  headers.set('Access-Control-Allow-Origin', incoming.headers.origin ?? '*');
  headers.set('Access-Control-Expose-Headers', '*');
  if (incoming.headers.origin !== undefined) {
    headers.set('Access-Control-Allow-Credentials', 'true');
    headers.append('Vary', 'Origin');
  }
  return response;
}

/** Of the answer to an upgrade, too. */
export function commonHeaders({ requestId, rate }: Pick<Exchange, 'requestId' | 'rate'>): [string, string][] {
  return [
    ['Server', 'BackendAI'],
    ['X-Request-Id', requestId],
    ['X-RateLimit-Limit', String(rate.limit)],
    ['X-RateLimit-Remaining', String(rate.remaining)],
    ['X-RateLimit-Window', String(RATE_WINDOW_S)],
  ];
}
