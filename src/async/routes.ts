/** Asynchronous calls over HTTP: `POST /async/<name>`, and `GET /async/<name>/<id>` for what became of one. */
import type { IncomingMessage } from 'node:http';
import { Failure, type FailureCode } from '../config/failure.ts';
import { type App, rawPath } from '../http/app.ts';
import type { Endpoints } from '../http/endpoint.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { problemAnswer, problemOf, problemOfError } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import { traceOf } from '../http/trace.ts';
import type { Log } from '../lib/log.ts';
import type { LambdaName } from '../registry/source.ts';
import type { JobView } from '../store/queue/views.ts';
import { type AdmissionOptions, type Admitted, type Api, admit, readEvent } from '../worker/admission.ts';
import { lambdaPathOf } from '../worker/lambda-path.ts';
import type { AsyncQueue } from './queue.ts';

export interface AsyncRoutesOptions extends AdmissionOptions {
  queue: AsyncQueue;
  log: Log;
}

const PREFIX = '/async/';

export const ASYNC_ENDPOINTS = {
  enqueue: {
    method: 'POST',
    path: `${PREFIX}:name`,
    takes: 'the event, as for `/runLambda`; `Idempotency-Key`',
    answers: '202 `{"requestId"}` when the event is on the disk; `Location` is where to look',
    errors: [
      'name-invalid',
      'lambda-missing',
      'event-invalid',
      'event-too-large',
      'event-memory-full',
      'idempotency-key-invalid',
      'idempotency-conflict',
      'async-full',
      'async-no-room',
      'store-full',
      'store-unavailable',
      'async-unavailable',
      'method-invalid',
      'stopping',
    ],
  },
  look: {
    method: 'GET',
    path: `${PREFIX}:name/:id`,
    answers:
      '200 `{"requestId", "lambda", "state", "attempts", "created", "since", "due"?, "error"?}` with state `queued`, `running`, `done` or `dead`',
    errors: ['name-invalid', 'call-missing', 'store-unavailable', 'async-unavailable', 'method-invalid'],
  },
} as const satisfies Endpoints<FailureCode>;

const EMPTY_EVENT = Buffer.from('{}');

export function addAsyncRoutes(app: App, options: AsyncRoutesOptions): void {
  const api: Api = {
    act: (admitted) => accept(admitted, options),
    refuse: (error, requestId) => refuse(error, requestId, options),
  };
  app.addPlain([ASYNC_ENDPOINTS], PREFIX, async (incoming, outgoing) => {
    const requestId = requestIdOf(incoming);
    try {
      const { name, rest } = lambdaPathOf(rawPath(incoming.url ?? '/'), PREFIX);
      if (rest !== '') return await tell(incoming, { name, id: rest.slice(1) }, options);
      if (incoming.method === 'POST') return await admit(incoming, outgoing, api, options);
      return wrongMethod(incoming, 'An asynchronous call is made with POST', 'POST');
    } catch (error) {
      return api.refuse(error, requestId);
    }
  });
}

function refuse(error: unknown, requestId: string, { log }: AsyncRoutesOptions): PlainAnswer {
  if (!(error instanceof Failure)) log('error', 'a request failed unexpectedly', { requestId, err: error });
  // What the client has yet to send would have to be read before the connection is good for another request.
  const cut = error instanceof Failure && error.code === 'event-too-large' ? ['Connection', 'close'] : [];
  return problemAnswer({ ...problemOfError(error), headers: cut }, requestId);
}

async function accept(admitted: Admitted, { queue, bodies }: AsyncRoutesOptions): Promise<PlainAnswer> {
  const { incoming } = admitted;
  const { name } = lambdaPathOf(rawPath(incoming.url ?? '/'), PREFIX);
  const body = await readEvent(admitted, bodies);
  // Nobody hears it; 499 is what nginx writes into its log for the same.
  if (body === undefined) return { status: 499, headers: [], body: null };
  const { 'idempotency-key': key } = incoming.headers;
  const idempotencyKey = Array.isArray(key) ? key.join(',') : key;
  const event = body.length === 0 ? EMPTY_EVENT : body;
  const id = await queue.enqueue(name, event, { idempotencyKey, trace: traceOf(incoming) });
  const headers = ['Location', `${PREFIX}${name}/${id}`, 'Content-Type', 'application/json', 'X-Request-Id', id];
  return { status: 202, headers, body: `${JSON.stringify({ requestId: id })}\n` };
}

interface Named {
  name: LambdaName;
  id: string;
}

async function tell(incoming: IncomingMessage, { name, id }: Named, { queue }: AsyncRoutesOptions) {
  if (incoming.method !== 'GET' && incoming.method !== 'HEAD') {
    return wrongMethod(incoming, 'The state of a call is read with GET', 'GET, HEAD');
  }
  const job = await queue.look(name, id);
  if (job === undefined) {
    throw new Failure('call-missing', `There is no asynchronous call ${JSON.stringify(id)} of ${name}, or no longer.`);
  }
  const headers = ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'X-Request-Id', id];
  return { status: 200, headers, body: `${JSON.stringify(stateOf(job))}\n` };
}

/** Times in UTC. `attempts` are runs whose outcome is known. */
export function stateOf(job: JobView): object {
  const { id, lambda, state, attempts, errorType, errorMessage } = job;
  return {
    requestId: id,
    lambda,
    state,
    attempts,
    created: timeOf(job.createdMs),
    since: timeOf(job.sinceMs),
    ...(state === 'queued' ? { due: timeOf(job.dueMs) } : {}),
    ...(errorType === null ? {} : { error: { errorType, errorMessage } }),
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}

function wrongMethod(incoming: IncomingMessage, sentence: string, allowed: string): PlainAnswer {
  const failure = new Failure('method-invalid', `${sentence}, not ${incoming.method}.`);
  return problemAnswer({ ...problemOf(failure), headers: ['Allow', allowed] }, requestIdOf(incoming));
}
