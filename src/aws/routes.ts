/** AWS's Lambda API over HTTP, as far as there is something here that it can speak of. */
import type { ServerResponse } from 'node:http';
import type { App } from '../http/app.ts';
import type { ApiSection, Endpoints } from '../http/endpoint.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { Log } from '../lib/log.ts';
import { type AdmissionOptions, type Admitted, admit } from '../worker/admission.ts';
import { type Access, authorizeManagement } from './access.ts';
import { AwsError, type AwsErrorName, awsErrorAnswer, awsErrorOf, awsToldOf } from './aws-error.ts';
import { type AwsRequest, readAwsRequest } from './aws-request.ts';
import { type InvokeSources, invoke, invokeAsync } from './invoke.ts';
import { invokeStreaming } from './invoke-streaming.ts';
import { FUNCTIONS_PATH, manage, OPERATIONS } from './operations.ts';

export interface AwsOptions extends AdmissionOptions, InvokeSources {
  access: Access;
  log: Log;
}

const ASYNC_PATH = '/2014-11-13/functions/';
const STREAMING_PATH = '/2021-11-15/functions/';

/** Below which AWS's other operations are: whoever asks for one is told in AWS's words that there is none here. */
const OTHER_PATHS = [
  '/2014-11-13/',
  '/2015-03-31/event-source-mappings/',
  '/2016-08-19/',
  '/2017-03-31/',
  '/2017-10-31/',
  '/2018-10-31/',
  '/2019-09-25/',
  '/2019-09-30/',
  '/2020-04-22/',
  '/2020-06-30/',
  '/2021-07-20/',
  '/2021-10-31/',
  '/2021-11-15/',
  '/2024-08-31/',
  '/2025-11-30/',
  '/2025-12-01/',
];

const INVOKE_ERRORS = [
  'ResourceNotFoundException',
  'TooManyRequestsException',
  'ResourceNotReadyException',
] as const satisfies readonly AwsErrorName[];

const INVOCATIONS = {
  invoke: {
    method: 'POST',
    path: `${FUNCTIONS_PATH}:name/invocations`,
    takes: 'the event; `Qualifier`, `X-Amz-Invocation-Type`, `X-Amz-Log-Type`, `X-Amz-Client-Context`',
    answers: '200 Invoke, with `X-Amz-Function-Error` if the function failed; 202 for `Event`, 204 for `DryRun`',
    errors: [...INVOKE_ERRORS, 'ResourceConflictException'],
  },
} as const satisfies Endpoints<AwsErrorName>;

const LATER = {
  invokeAsync: {
    method: 'POST',
    path: `${ASYNC_PATH}:name/invoke-async`,
    takes: 'the event',
    answers: '202 InvokeAsync, as Invoke does with `Event`',
    errors: ['ResourceNotFoundException', 'TooManyRequestsException', 'ResourceConflictException'],
  },
} as const satisfies Endpoints<AwsErrorName>;

const STREAMS = {
  invokeStreaming: {
    method: 'POST',
    path: `${STREAMING_PATH}:name/response-streaming-invocations`,
    takes: 'as Invoke, without `Event`',
    answers: "200 InvokeWithResponseStream: AWS's event stream",
    errors: INVOKE_ERRORS,
  },
} as const satisfies Endpoints<AwsErrorName>;

export const AWS_API: ApiSection<AwsErrorName> = {
  title: "AWS's Lambda API",
  about:
    'As far as there is something here that it can speak of: [aws.md](../aws.md). Errors come with `X-Amzn-ErrorType`.',
  tables: [INVOCATIONS, LATER, STREAMS, OPERATIONS],
  errors: [
    'InvalidParameterValueException',
    'InvalidRequestContentException',
    'RequestTooLargeException',
    'IncompleteSignatureException',
    'MissingAuthenticationTokenException',
    'UnrecognizedClientException',
    'InvalidSignatureException',
    'AccessDeniedException',
    'UnknownOperationException',
    'ServiceException',
  ],
  told: awsToldOf,
};

export function addAwsRoutes(app: App, options: AwsOptions): void {
  const { log } = options;
  const refuse = (error: unknown, requestId: string): PlainAnswer => {
    const known = awsErrorOf(error);
    // An error of whom nobody knows has a message for the log only, and `known` another.
    if (known.name === 'ServiceException') log('error', 'an invocation failed', { requestId, err: error });
    return awsErrorAnswer(known, requestId);
  };
  const add = (tables: readonly Endpoints[], prefix: string, operate: Operate): void =>
    app.addPlain(tables, prefix, (incoming, outgoing) => {
      const act = async (admitted: Admitted): Promise<PlainAnswer> => {
        const request = await readAwsRequest(admitted, prefix, options);
        // Whoever asked has gone.
        if (request === undefined) return { status: 499, headers: [], body: null };
        return operate(request, outgoing);
      };
      return admit(incoming, outgoing, { act, refuse }, options);
    });
  add([INVOCATIONS, OPERATIONS], FUNCTIONS_PATH, (request) => answerFunctions(request, options));
  add([LATER], ASYNC_PATH, (request) => answerAsync(request, options));
  add([STREAMS], STREAMING_PATH, (request, outgoing) => answerStreaming(request, { ...options, outgoing }));
  // The last: paths are looked for in the order in which they were added.
  for (const path of OTHER_PATHS)
    add([], path, async (request) => {
      throw unknownOperation(request, path);
    });
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
