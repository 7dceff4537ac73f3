/** A Hono app that answers every failure in the one shape. Features add their endpoints to it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Context, Hono } from 'hono';
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import { type ApiSection, type Endpoint, type Endpoints, methodsOf, pathPattern, pathsOf } from './endpoint.ts';
import { type PlainHandler, responseOf } from './plain-answer.ts';
import { problemOf, problemOfError, problemResponse } from './problem.ts';
import { requestIdOf } from './request-id.ts';

export interface HttpEnv {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse };
}

/** `under` is where the endpoint was added. */
export type EndpointHandler = (c: Context<HttpEnv>, under: string) => Response | Promise<Response>;

/** What is there has an endpoint in a table of its API, which the reference tells: there is no other way to add a route. */
export class App {
  /** Routes that are answered without a Request, by what their paths begin with. */
  readonly plain = new Map<string, PlainHandler>();
  readonly #hono: Hono<HttpEnv>;
  readonly #api: readonly ApiSection[];
  readonly #methods = new Map<string, Set<string>>();

  constructor(hono: Hono<HttpEnv>, api: readonly ApiSection[]) {
    this.#hono = hono;
    this.#api = api;
  }

  /** Of all routes. */
  get paths(): readonly string[] {
    return [...new Set(this.#hono.routes.map(({ path }) => path))];
  }

  fetch(request: Request, env: HttpEnv['Bindings']): Response | Promise<Response> {
    return this.#hono.fetch(request, env);
  }

  /** Each endpoint of a table with what answers it, below each of the prefixes that `under` says. */
  add<Name extends string, One extends Endpoint>(
    table: Readonly<Record<Name, One>>,
    handlers: Readonly<Record<Name, EndpointHandler>>,
    under: (endpoint: One) => readonly string[] = () => [''],
  ): void {
    this.#mustTell(table);
    for (const [name, endpoint] of Object.entries(table) as [Name, One][]) {
      for (const prefix of under(endpoint)) {
        for (const path of pathsOf(endpoint)) {
          this.#route(endpoint, prefix + path, (c) => handlers[name](c, prefix));
        }
      }
    }
  }

  /** All below `prefix`, which ends with a slash, whatever the method: the handler knows the tables' endpoints. */
  addPlain(tables: readonly Endpoints[], prefix: string, handler: PlainHandler): void {
    for (const table of tables) this.#mustTell(table);
    const answer = async (c: Context<HttpEnv>) => responseOf(await handler(c.env.incoming, c.env.outgoing));
    this.plain.set(prefix, handler);
    this.#hono.all(`${prefix}*`, answer);
    const bare = prefix.slice(0, -1);
    const endpoints = tables.flatMap((table) => Object.values(table));
    if (endpoints.some((endpoint) => pathsOf(endpoint).includes(bare))) this.#hono.all(bare, answer);
  }

  /** What may be done at a path, in the words of `Allow`; undefined where there is nothing. */
  allowedAt(path: string): string | undefined {
    const allowed = new Set(
      [...this.#methods].flatMap(([at, methods]) => (pathPattern(at).test(path) ? [...methods] : [])),
    );
    if (allowed.has('GET')) allowed.add('HEAD');
    return allowed.size === 0 ? undefined : [...allowed].join(', ');
  }

  #route(endpoint: Endpoint, path: string, handler: (c: Context<HttpEnv>) => Response | Promise<Response>): void {
    const methods = methodsOf(endpoint);
    if (methods === undefined) {
      this.#hono.all(path, handler);
      return;
    }
    this.#hono.on([...methods], path, handler);
    if (!path.endsWith('*')) this.#methods.set(path, new Set([...(this.#methods.get(path) ?? []), ...methods]));
  }

  #mustTell(table: Endpoints): void {
    if (this.#api.some(({ tables }) => tables.includes(table))) return;
    throw new Error(`No section of this API has ${Object.keys(table).join(', ')}: the reference would not tell it.`);
  }
}

/** Whatever answers requests: an app, or one in disguise. */
export interface Answering {
  readonly plain: ReadonlyMap<string, PlainHandler>;
  fetch(request: Request, env: HttpEnv['Bindings']): Response | Promise<Response>;
}

export interface AppAnswers {
  /** Where there is nothing, or, if something is allowed there, nothing of that method. */
  missing(c: Context<HttpEnv>, allowed: string | undefined): Response;
  failed(error: Error, c: Context<HttpEnv>): Response;
}

export function createApp(api: readonly ApiSection[], { missing, failed }: AppAnswers): App {
  const hono = new Hono<HttpEnv>({
    // The path as it was sent: Hono's own decodes `%2e%2e` before a route could refuse it.
    getPath: (request, options) => rawPath(options?.env?.incoming?.url ?? new URL(request.url).pathname),
  });
  const app = new App(hono, api);
  hono.notFound((c) => missing(c, app.allowedAt(rawPath(c.env.incoming.url ?? '/'))));
  hono.onError((error, c) => failed(error, c));
  return app;
}

/** A worker's own. */
export function problemAnswers(log: Log): AppAnswers {
  return {
    missing(c, allowed) {
      const { incoming } = c.env;
      const path = rawPath(incoming.url ?? '/');
      if (allowed !== undefined) {
        const failure = new Failure('method-invalid', `${path} takes ${allowed}, not ${c.req.method}.`);
        return problemResponse({ ...problemOf(failure), headers: ['Allow', allowed] }, requestIdOf(incoming));
      }
      const errorMessage = `There is nothing at ${path}; try POST /runLambda/<name> or GET /status.`;
      return problemResponse({ status: 404, errorType: 'Request.NotFound', errorMessage }, requestIdOf(incoming));
    },
    failed(error, c) {
      const requestId = requestIdOf(c.env.incoming);
      if (!(error instanceof Failure)) log('error', 'a request failed unexpectedly', { requestId, err: error });
      return problemResponse(problemOfError(error), requestId);
    },
  };
}

/** The path of a request target, which may also come in absolute form: `http://host/path`. */
export function rawPath(target: string): string {
  const path = target.startsWith('/') ? target : URL.canParse(target) ? new URL(target).pathname : '/';
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}
