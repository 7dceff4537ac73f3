/** The worker over HTTP: `POST /runLambda/<name>` and `GET /status`, as OpenLambda has them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Context } from 'hono';
import { Failure } from '../config/failure.ts';
import { type App, type HttpEnv, rawPath } from '../http/app.ts';
import { readBody } from '../http/body.ts';
import type { BodyClaim, BodyMemory } from '../http/body-memory.ts';
import { Caller } from '../http/caller.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { problemOf, problemOfError } from '../http/problem.ts';
import { requestIdOf } from '../http/request-id.ts';
import { traceOf } from '../http/trace.ts';
import type { UnreadAnswers } from '../http/unread-answers.ts';
import type { Log } from '../lib/log.ts';
import { LAMBDA_NAME_RULE, type LambdaName, parseLambdaName } from '../registry/source.ts';
import { answer, CORS_HEADERS, refuse } from './answer.ts';
import { type StatusSources, workerStatus } from './status.ts';

export interface RoutesOptions extends StatusSources {
  /** For events. */
  bodies: BodyMemory;
  unread: UnreadAnswers;
  log: Log;
}

export function addWorkerRoutes(app: App, options: RoutesOptions): void {
  app.all('/status', (c) => status(c, options));
  app.allPlain(RUN_PATH, (incoming, outgoing) => runLambda(incoming, outgoing, options));
}

const RUN_PATH = '/runLambda/';
const EMPTY_EVENT = Buffer.from('{}');

async function runLambda(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: RoutesOptions,
): Promise<PlainAnswer> {
  const requestId = requestIdOf(incoming);
  if (incoming.method === 'OPTIONS') {
    return { status: 200, headers: [...CORS_HEADERS, 'X-Request-Id', requestId], body: '' };
  }
  if (incoming.method !== 'POST') {
    const failure = new Failure('method-invalid', `A lambda is run with POST, not ${incoming.method}.`);
    return refuse({ ...problemOf(failure), headers: ['Allow', 'POST, OPTIONS'] }, { requestId });
  }
  if (!options.worker.enter()) {
    const problem = problemOf(new Failure('stopping', 'The worker is stopping; the event was not run.'));
    return lastOf(refuse(problem, { requestId }));
  }
  const claim = options.bodies.claim();
  const caller = new Caller(outgoing);
  try {
    const answered = await invoke(incoming, { requestId, claim, caller }, options);
    options.unread.hold(incoming, outgoing, answered.body?.length ?? 0);
    return options.worker.state === 'stopping' ? lastOf(answered) : answered;
  } catch (error) {
    if (!(error instanceof Failure)) options.log('error', 'a call failed unexpectedly', { requestId, err: error });
    return refuse(problemOfError(error), { requestId });
  } finally {
    options.worker.leave();
    // The answer to a large event may be as large: there is room for another when it is out.
    if (claim.large && !caller.gone && !caller.pipelined) caller.onGone(() => claim.release());
    else claim.release();
  }
}

/** The next request of this connection had better go to another worker. */
function lastOf({ headers, ...rest }: PlainAnswer): PlainAnswer {
  return { ...rest, headers: [...headers, 'Connection', 'close'] };
}

interface Begun {
  requestId: string;
  claim: BodyClaim;
  caller: Caller;
}

async function invoke(incoming: IncomingMessage, begun: Begun, options: RoutesOptions): Promise<PlainAnswer> {
  const { requestId, claim, caller } = begun;
  const { bodyBytesMax } = options.bodies;
  const name = lambdaNameOf(rawPath(incoming.url ?? '/'));
  // Node may have read it in one go with the request before it, and so ahead of watch events that
  // preceded it; a turn later they have come (see registry/local.ts).
  if (caller.pipelined) await nextTurn();
  const body = await readBody(incoming, bodyBytesMax, claim);
  switch (body.kind) {
    case 'cut-off':
      return answer({ kind: 'abandoned' }, { requestId });
    case 'too-large': {
      const failure = new Failure('event-too-large', `An event may have ${bodyBytesMax} bytes at most.`);
      // What the client has yet to send would have to be read before the connection is good for another request.
      return refuse({ ...problemOf(failure), headers: ['Connection', 'close'] }, { requestId });
    }
    case 'no-room': {
      const message = 'The events of other calls take all memory that there is for them; this one was not run.';
      return refuse(problemOf(new Failure('event-memory-full', message)), { requestId });
    }
    case 'whole': {
      const event = body.bytes.length === 0 ? EMPTY_EVENT : body.bytes;
      const outcome = await options.worker.call(name, { requestId, trace: traceOf(incoming), event, caller });
      return answer(outcome, { requestId });
    }
  }
}

/** The path component after /runLambda/; what follows it is ignored, as OpenLambda does. */
function lambdaNameOf(path: string): LambdaName {
  const end = path.indexOf('/', RUN_PATH.length);
  const sent = path.slice(RUN_PATH.length, end === -1 ? undefined : end);
  const name = parseLambdaName(decoded(sent));
  if (name !== undefined) return name;
  const problem = sent === '' ? 'The name of a lambda is missing' : `${JSON.stringify(sent)} is no name of a lambda`;
  throw new Failure('name-invalid', `${problem}: POST /runLambda/<name>, where a name is ${LAMBDA_NAME_RULE}.`);
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
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
