/** The worker over HTTP: `POST /runLambda/<name>` and `GET /status`, as OpenLambda has them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context } from 'hono';
import { Failure, type FailureCode } from '../config/failure.ts';
import { type App, type HttpEnv, rawPath } from '../http/app.ts';
import type { Endpoints } from '../http/endpoint.ts';
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

const RUN_PATH = '/runLambda/';

/** What may become of a call before it is given to code, in whichever way it came. */
export const CALL_ERRORS = [
  'name-invalid',
  'lambda-missing',
  'lambda-invalid',
  'event-too-large',
  'event-memory-full',
  'queue-full',
  'queue-timeout',
  'packages-installing',
  'packages-failed',
  'registry-unreachable',
  'registry-refused',
  'sandbox-failed',
  'stopping',
] as const satisfies readonly FailureCode[];

export const RUN_ENDPOINTS = {
  run: {
    method: 'POST',
    path: `${RUN_PATH}:name`,
    takes: 'the event, JSON of `event_kb` at most; an empty one is `{}`. `X-Request-Id`, `traceparent`',
    answers: '200 the result, JSON; what else [code can end in](../handlers.md#the-answer)',
    errors: ['event-invalid', 'method-invalid'],
  },
} as const satisfies Endpoints<FailureCode>;

export const STATUS_ENDPOINTS = {
  status: {
    method: 'ANY',
    path: '/status',
    takes: '`Accept: application/json` for all of it',
    answers: '200 `ready`, or 503 and the state; as JSON also settings, sandboxes and counts',
  },
} as const satisfies Endpoints<FailureCode>;

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
  app.add(STATUS_ENDPOINTS, { status: (c) => status(c, options) });
  app.addPlain([RUN_ENDPOINTS], RUN_PATH, (incoming, outgoing) => runLambda(incoming, outgoing, { api, options }));
}

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
