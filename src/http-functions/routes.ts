/** HTTP functions: `ANY /fn/<name>/<path>` gives a lambda the request as an event, and what it returns is the response. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Failure, type FailureCode } from '../config/failure.ts';
import { type App, rawPath } from '../http/app.ts';
import type { Endpoints } from '../http/endpoint.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { problemAnswer, problemOf, problemOfError } from '../http/problem.ts';
import { traceOf } from '../http/trace.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { Log } from '../lib/log.ts';
import { type CodeSource, LAMBDA_NAME_RULE, type LambdaName, parseCalledName } from '../registry/source.ts';
import { type AdmissionOptions, type Admitted, type Api, admit, readEvent } from '../worker/admission.ts';
import { problemOfRun, serverTiming } from '../worker/answer.ts';
import type { CallRun, Outcome } from '../worker/outcome.ts';
import { corsHeaders, isPreflight, preflightAnswer } from './cors.ts';
import { httpEvent } from './http-event.ts';
import { httpResult, InvalidResult } from './http-result.ts';
import { StreamedAnswer } from './streamed-answer.ts';

export interface HttpFunctionOptions extends AdmissionOptions {
  source: CodeSource;
  /** Whether callers are told what has failed in a function: for those who write it. */
  tellsFailures: boolean;
  log: Log;
}

const FN_PATH = '/fn/';

export const FN_ENDPOINTS = {
  ask: {
    method: 'ANY',
    path: `${FN_PATH}:name/*`,
    also: [`${FN_PATH}:name`],
    takes: "anything of `event_kb` at most; the code gets it as an event of AWS's Function URLs",
    answers: 'what the code says; 502, 504 if [it fails](../http-functions.md#the-response)',
  },
} as const satisfies Endpoints<FailureCode>;

export function addHttpFunctionRoutes(app: App, options: HttpFunctionOptions): void {
  const { log } = options;
  const refuse: Api['refuse'] = (error, requestId) => {
    if (!(error instanceof Failure)) log('error', 'a call failed unexpectedly', { requestId, err: error });
    const cut = error instanceof Failure && error.code === 'event-too-large' ? ['Connection', 'close'] : [];
    return problemAnswer({ ...problemOfError(error), headers: cut }, requestId);
  };
  app.addPlain([FN_ENDPOINTS], FN_PATH, (incoming, outgoing) => {
    const act = (admitted: Admitted) => answer(admitted, outgoing, options);
    return admit(incoming, outgoing, { act, refuse }, options);
  });
}

async function answer(
  admitted: Admitted,
  outgoing: ServerResponse,
  options: HttpFunctionOptions,
): Promise<PlainAnswer> {
  const { incoming, requestId, caller } = admitted;
  const place = placeOf(incoming);
  const cors = incoming.headers.origin === undefined ? undefined : await corsOf(place.lambda, options.source);
  if (cors !== undefined && isPreflight(incoming)) return preflightAnswer(cors, incoming);
  const body = await readEvent(admitted, options.bodies);
  if (body === undefined) return { status: 499, headers: [], body: null };
  const corsPart = cors === undefined ? [] : corsHeaders(cors, incoming);
  const headers = ['X-Request-Id', requestId, ...corsPart];
  const trace = traceOf(incoming);
  const event = httpEvent(incoming, { ...place, requestId, trace, body, nowMs: Date.now() });
  const parts = new StreamedAnswer({ outgoing, headers });
  const outcome = await options.worker.call(place.lambda, { requestId, trigger: 'http', trace, event, caller, parts });
  const facts = { headers, requestId, tellsFailures: options.tellsFailures, hasCors: cors !== undefined };
  try {
    if (outcome.kind !== 'result') return parts.breakOff() ? sent(502) : outcomeAnswer(outcome, facts);
    return parts.begun ? sent(parts.end(outcome.body)) : outcomeAnswer(outcome, facts);
  } catch (error) {
    if (!(error instanceof InvalidResult)) throw error;
    options.log('warn', 'what a function returned is no response', { lambda: place.lambda, reason: error.message });
    const errorMessage = `What the function returned is no response: ${error.message}.`;
    return problemAnswer(
      { status: 502, errorType: 'Function.InvalidResponse', errorMessage, headers: corsPart },
      requestId,
    );
  }
}

function sent(status: number): PlainAnswer {
  return { status, headers: [], body: null, sent: true };
}

interface Facts {
  /** Of every answer. */
  headers: readonly string[];
  requestId: string;
  tellsFailures: boolean;
  hasCors: boolean;
}

function resultAnswer(json: Buffer, run: CallRun, { headers, hasCors }: Facts): PlainAnswer {
  const result = httpResult(json);
  const timing = ['Server-Timing', serverTiming(run)];
  const own = hasCors ? withoutCors(result.headers) : result.headers;
  const bare = result.status === 204 || result.status === 304;
  return { status: result.status, headers: [...own, ...headers, ...timing], body: bare ? null : result.body };
}

function outcomeAnswer(outcome: Outcome, facts: Facts): PlainAnswer {
  const { requestId, headers } = facts;
  switch (outcome.kind) {
    case 'result':
      return resultAnswer(outcome.body, outcome.run, facts);
    case 'raised':
    case 'init-failed':
    case 'event-invalid': {
      // A traceback is for those who wrote the function; its log has it.
      const type = facts.tellsFailures ? 'application/json' : 'text/plain';
      const own = ['Content-Type', type, 'X-Amz-Function-Error', 'Unhandled'];
      const body = facts.tellsFailures ? outcome.body : 'Internal Server Error';
      return { status: 502, headers: [...own, ...headers, 'Server-Timing', serverTiming(outcome.run)], body };
    }
    case 'timeout':
    case 'ended': {
      const own = ['X-Amz-Function-Error', 'Unhandled', 'Server-Timing', serverTiming(outcome.run)];
      return problemAnswer({ ...problemOfRun(outcome), headers: [...own, ...headers.slice(2)] }, requestId);
    }
    case 'refused':
      return problemAnswer({ ...problemOf(outcome.failure), headers: headers.slice(2) }, requestId);
    case 'cancelled':
    case 'abandoned':
      return { status: 499, headers: [], body: null };
    default:
      return assertNever(outcome);
  }
}

/** Where there is a word of `lambda.json` on who may read, the code has none. */
function withoutCors(headers: readonly string[]): string[] {
  return headers.filter((_, at) => !(headers[at - (at % 2)] as string).startsWith('access-control-'));
}

/** Of `/fn/<name>/<path>?<query>`. */
function placeOf({ url = '/' }: IncomingMessage) {
  const whole = rawPath(url);
  const end = whole.indexOf('/', FN_PATH.length);
  const sent = whole.slice(FN_PATH.length, end === -1 ? undefined : end);
  const lambda = parseCalledName(sent);
  if (lambda === undefined) {
    const problem = sent === '' ? 'The name of a lambda is missing' : `${JSON.stringify(sent)} is no name of a lambda`;
    throw new Failure('name-invalid', `${problem}: /fn/<name>/<path>, where a name is ${LAMBDA_NAME_RULE}.`);
  }
  const question = url.indexOf('?');
  return {
    lambda,
    prefix: `${FN_PATH}${lambda}`,
    path: end === -1 ? '/' : whole.slice(end),
    query: question === -1 ? '' : url.slice(question + 1),
  };
}

/** Undefined if the lambda says nothing, or is not there. What is wrong with it is told by the call. */
async function corsOf(lambda: LambdaName, source: CodeSource) {
  try {
    const version = await source.current(lambda);
    if (version !== undefined) source.release(version);
    return version?.config.cors;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
