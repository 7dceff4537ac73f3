/** A Hono app that answers every failure in the one shape. Features add their routes to it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Handler, Hono } from 'hono';
import { Failure } from '../config/failure.ts';
import type { Log } from '../lib/log.ts';
import { type PlainHandler, responseOf } from './plain-answer.ts';
import { problemOf, problemOfError, problemResponse } from './problem.ts';
import { requestIdOf } from './request-id.ts';

export interface HttpEnv {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse };
}

export class App extends Hono<HttpEnv> {
  /** Routes that are answered without a Request, by what their paths begin with. */
  readonly plain = new Map<string, PlainHandler>();

  /** For GET and HEAD; any other method is told so. */
  getOnly(path: string, handler: Handler<HttpEnv>): void {
    this.get(path, handler);
    this.all(path, (c) => {
      const failure = new Failure('method-invalid', `${path} is read with GET, not ${c.req.method}.`);
      return problemResponse({ ...problemOf(failure), headers: ['Allow', 'GET, HEAD'] }, requestIdOf(c.env.incoming));
    });
  }

  /** Whatever the method: all below `prefix`, which ends with a slash. */
  allPlain(prefix: string, handler: PlainHandler): void {
    this.plain.set(prefix, handler);
    this.all(`${prefix}*`, async (c) => responseOf(await handler(c.env.incoming, c.env.outgoing)));
  }
}

/** Whatever answers requests: an app, or one in disguise. */
export interface Answering {
  readonly plain: ReadonlyMap<string, PlainHandler>;
  fetch(request: Request, env: HttpEnv['Bindings']): Response | Promise<Response>;
}

export function createApp(log: Log): App {
  const app = new App({
    // The path as it was sent: Hono's own decodes `%2e%2e` before a route could refuse it.
    getPath: (request, options) => rawPath(options?.env?.incoming?.url ?? new URL(request.url).pathname),
  });
  app.notFound((c) => {
    const errorMessage = `There is nothing at ${rawPath(c.env.incoming.url ?? '/')}; try POST /runLambda/<name> or GET /status.`;
    return problemResponse({ status: 404, errorType: 'Request.NotFound', errorMessage }, requestIdOf(c.env.incoming));
  });
  app.onError((error, c) => {
    const requestId = requestIdOf(c.env.incoming);
    if (!(error instanceof Failure)) log('error', 'a request failed unexpectedly', { requestId, err: error });
    return problemResponse(problemOfError(error), requestId);
  });
  return app;
}

/** The path of a request target, which may also come in absolute form: `http://host/path`. */
export function rawPath(target: string): string {
  const path = target.startsWith('/') ? target : URL.canParse(target) ? new URL(target).pathname : '/';
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}
