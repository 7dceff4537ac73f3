/** AWS's Lambda API over HTTP, as far as there is something here that it can speak of. */
import type { ServerResponse } from 'node:http';
import type { App } from '../http/app.ts';
import { type PlainAnswer, type PlainHandler, responseOf } from '../http/plain-answer.ts';
import type { Log } from '../lib/log.ts';
import { type AdmissionOptions, type Admitted, admit } from '../worker/admission.ts';
import { type Access, authorizeManagement } from './access.ts';
import { AwsError, awsErrorAnswer, awsErrorOf } from './aws-error.ts';
import { type AwsRequest, readAwsRequest } from './aws-request.ts';
import { manage } from './functions.ts';
import { type InvokeSources, invoke, invokeAsync } from './invoke.ts';
import { invokeStreaming } from './invoke-streaming.ts';

export interface AwsOptions extends AdmissionOptions, InvokeSources {
  access: Access;
  log: Log;
}

const FUNCTIONS_PATH = '/2015-03-31/functions/';
const ASYNC_PATH = '/2014-11-13/functions/';
const STREAMING_PATH = '/2021-11-15/functions/';

export function addAwsRoutes(app: App, options: AwsOptions): void {
  const { log } = options;
  const refuse = (error: unknown, requestId: string): PlainAnswer => {
    const known = awsErrorOf(error);
    // An error of whom nobody knows has a message for the log only, and `known` another.
    if (known.name === 'ServiceException') log('error', 'an invocation failed', { requestId, err: error });
    return awsErrorAnswer(known, requestId);
  };
  const add = (prefix: string, operate: Operate): void => {
    const answer: PlainHandler = (incoming, outgoing) => {
      const act = async (admitted: Admitted): Promise<PlainAnswer> => {
        const request = await readAwsRequest(admitted, prefix, options);
        // Whoever asked has gone.
        if (request === undefined) return { status: 499, headers: [], body: null };
        return operate(request, outgoing);
      };
      return admit(incoming, outgoing, { act, refuse }, options);
    };
    app.allPlain(prefix, answer);
    // Newer clients leave the slash away.
    app.all(prefix.slice(0, -1), async (c) => responseOf(await answer(c.env.incoming, c.env.outgoing)));
  };
  add(FUNCTIONS_PATH, (request) => answerFunctions(request, options));
  add(ASYNC_PATH, (request) => answerAsync(request, options));
  add(STREAMING_PATH, (request, outgoing) => answerStreaming(request, { ...options, outgoing }));
}

type Operate = (request: AwsRequest, outgoing: ServerResponse) => Promise<PlainAnswer>;

async function answerFunctions(request: AwsRequest, options: AwsOptions): Promise<PlainAnswer> {
  const { method, segments } = request;
  const [name = '', verb, ...more] = segments;
  if (method === 'POST' && verb === 'invocations' && more.length === 0) return invoke(request, name, options);
  authorizeManagement(options.access, request.admitted.incoming);
  const managed = await manage(request, options.functions);
  if (managed !== undefined) return managed;
  throw unknownOperation(request, FUNCTIONS_PATH);
}

async function answerAsync(request: AwsRequest, options: AwsOptions): Promise<PlainAnswer> {
  const name = onlyOperation(request, { path: ASYNC_PATH, verb: 'invoke-async' });
  return invokeAsync(request, name, options);
}

async function answerStreaming(
  request: AwsRequest,
  options: AwsOptions & { outgoing: ServerResponse },
): Promise<PlainAnswer> {
  const name = onlyOperation(request, { path: STREAMING_PATH, verb: 'response-streaming-invocations' });
  return invokeStreaming(request, name, options);
}

/** The function's name, where there is one operation below a path. Throws AwsError. */
function onlyOperation(request: AwsRequest, { path, verb }: { path: string; verb: string }): string {
  const { method, segments } = request;
  const [name = '', asked, ...more] = segments;
  // Some clients end the path with a slash.
  if (method === 'POST' && asked === verb && more.join('/') === '') return name;
  throw unknownOperation(request, path);
}

function unknownOperation({ method, segments }: AwsRequest, prefix: string): AwsError {
  const asked = `${method} ${prefix}${segments.join('/')}`;
  return new AwsError('UnknownOperationException', `There is no operation ${asked} here.`);
}
