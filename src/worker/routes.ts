/** The worker over HTTP: `POST /runLambda/<name>` and `GET /status`, as OpenLambda has them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';
import { Failure } from '../config/failure.ts';
import { type App, type HttpEnv, rawPath } from '../http/app.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { problemOf, problemOfError } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import { traceOf } from '../http/trace.ts';
import type { Log } from '../lib/log.ts';
import { type AdmissionOptions, type Admitted, type Api, admit, readEvent } from './admission.ts';
import { answer, CORS_HEADERS, refuse } from './answer.ts';
import type { Invocation } from './invocation.ts';
import { lambdaPathOf } from './lambda-path.ts';
import { type StatusSources, workerStatus } from './status.ts';

export interface RoutesOptions extends StatusSources, AdmissionOptions {
  log: Log;
}

export function addWorkerRoutes(app: App, options: RoutesOptions): void {
  const { log } = options;
  const api: Api = {
    act: (admitted) => invoke(admitted, options),
    refuse(error, requestId) {
      if (!(error instanceof Failure)) log('error', 'a call failed unexpectedly', { requestId, err: error });
      const problem = problemOfError(error);
      // What the client has yet to send would have to be read before the connection is good for another request.
      const cut = error instanceof Failure && error.code === 'event-too-large' ? ['Connection', 'close'] : [];
      return refuse({ ...problem, headers: cut }, { requestId });
    },
  };
  app.all('/status', (c) => status(c, options));
  app.allPlain(RUN_PATH, (incoming, outgoing) => runLambda(incoming, outgoing, { api, options }));
}

const RUN_PATH = '/runLambda/';
const EMPTY_EVENT = Buffer.from('{}');

async function runLambda(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { api, options }: { api: Api; options: RoutesOptions },
): Promise<PlainAnswer> {
  if (incoming.method === 'POST') return admit(incoming, outgoing, api, options);
  const requestId = requestIdOf(incoming);
  if (incoming.method === 'OPTIONS') {
    return { status: 200, headers: [...CORS_HEADERS, 'X-Request-Id', requestId], body: '' };
  }
  const failure = new Failure('method-invalid', `A lambda is run with POST, not ${incoming.method}.`);
  return refuse({ ...problemOf(failure), headers: ['Allow', 'POST, OPTIONS'] }, { requestId });
}

async function invoke(admitted: Admitted, { worker, bodies }: RoutesOptions): Promise<PlainAnswer> {
  const { incoming, requestId, caller } = admitted;
  // What follows the name is ignored, as OpenLambda does.
  const { name } = lambdaPathOf(rawPath(incoming.url ?? '/'), RUN_PATH);
  const body = await readEvent(admitted, bodies);
  if (body === undefined) return answer({ kind: 'abandoned' }, { requestId });
  const event = body.length === 0 ? EMPTY_EVENT : body;
  const invocation: Invocation = { requestId, trigger: 'http', trace: traceOf(incoming), event, caller };
  return answer(await worker.call(name, invocation), { requestId });
}

async function status(c: Context<HttpEnv>, sources: RoutesOptions): Promise<Response> {
  const { incoming } = c.env;
  const { worker } = sources;
  const code = worker.state === 'ready' ? 200 : 503;
  const headers = { 'X-Request-Id': requestIdOf(incoming), 'Cache-Control': 'no-store' };
  if (!incoming.headers.accept?.includes('application/json')) {
    return new Response(`${worker.state}\n`, { status: code, headers: { ...headers, 'Content-Type': 'text/plain' } });
  }
  const body = `${JSON.stringify(await workerStatus(sources))}\n`;
  return new Response(body, { status: code, headers: { ...headers, 'Content-Type': 'application/json' } });
}
