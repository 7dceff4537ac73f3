/** What AWS's Lambda API says when it refuses: a name that its clients turn into an exception, a status, a sentence. */
import { Failure, type FailureCode } from '../config/failure.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { problemOfError } from '../http/problem.ts';

const STATUS = {
  AccessDeniedException: 403,
  IncompleteSignatureException: 400,
  InvalidParameterValueException: 400,
  InvalidRequestContentException: 400,
  InvalidSignatureException: 403,
  MissingAuthenticationTokenException: 403,
  PreconditionFailedException: 412,
  RequestTooLargeException: 413,
  ResourceConflictException: 409,
  ResourceNotFoundException: 404,
  ResourceNotReadyException: 502,
  ServiceException: 500,
  TooManyRequestsException: 429,
  UnknownOperationException: 404,
  UnrecognizedClientException: 403,
} as const;

/** For the reference. */
export function awsToldOf(name: AwsErrorName): { status: number; name: string } {
  return { status: STATUS[name], name };
}

export type AwsErrorName = keyof typeof STATUS;

/** More members of the answer, such as `Reason`. */
type Facts = Readonly<Record<string, string>>;

export class AwsError extends Error {
  override readonly name: AwsErrorName;
  readonly status: number;
  readonly facts: Facts;
  /** Seconds after which trying again may help. */
  readonly retryAfterS: number | undefined;

  constructor(
    name: AwsErrorName,
    message: string,
    { facts = {}, retryAfterS }: { facts?: Facts; retryAfterS?: number | undefined } = {},
  ) {
    super(message);
    this.name = name;
    this.status = STATUS[name];
    this.facts = facts;
    this.retryAfterS = retryAfterS;
  }
}

/** Names of what did not run, by our own; what is not listed is a fault of ours. */
const NAMES: Partial<Readonly<Record<FailureCode, AwsErrorName>>> = {
  'lambda-missing': 'ResourceNotFoundException',
  'event-invalid': 'InvalidRequestContentException',
  'event-too-large': 'RequestTooLargeException',
  'event-memory-full': 'TooManyRequestsException',
  'async-full': 'TooManyRequestsException',
  'async-no-room': 'TooManyRequestsException',
  'idempotency-key-invalid': 'InvalidParameterValueException',
  'idempotency-conflict': 'ResourceConflictException',
  'queue-full': 'TooManyRequestsException',
  'queue-timeout': 'TooManyRequestsException',
  'packages-installing': 'ResourceNotReadyException',
};

/** Of which AWS's clients make decisions, where there is a choice of one. */
const REASONS: Partial<Readonly<Record<FailureCode, string>>> = {
  'event-memory-full': 'ConcurrentInvocationLimitExceeded',
  'queue-full': 'ReservedFunctionConcurrentInvocationLimitExceeded',
  'queue-timeout': 'ReservedFunctionConcurrentInvocationLimitExceeded',
};

export function awsErrorOf(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  const { errorMessage, retryAfterS } = problemOfError(error);
  const code = error instanceof Failure ? error.code : undefined;
  const name = (code && NAMES[code]) ?? 'ServiceException';
  const reason = code && REASONS[code];
  return new AwsError(name, errorMessage, { retryAfterS, facts: reason === undefined ? {} : { Reason: reason } });
}

export function awsErrorAnswer(error: AwsError, requestId: string): PlainAnswer {
  const { name, status, message, facts, retryAfterS } = error;
  const headers = ['Content-Type', 'application/json', 'X-Amzn-ErrorType', name, ...requestIdHeaders(requestId)];
  if (retryAfterS !== undefined) headers.push('Retry-After', String(retryAfterS));
  // What the client has yet to send would have to be read before the connection is good for another request.
  if (name === 'RequestTooLargeException') headers.push('Connection', 'close');
  // Which of the two a client reads differs from error to error, and from one to the next.
  const body = { Type: status >= 500 ? 'Service' : 'User', Message: message, message, ...facts };
  return { status, headers, body: JSON.stringify(body) };
}

/** By AWS's name, and by everybody else's. */
export function requestIdHeaders(requestId: string): readonly string[] {
  return ['X-Amzn-RequestId', requestId, 'X-Request-Id', requestId];
}
