/** What a failure looks like over HTTP: one table for statuses and types, one shape for bodies. */
import { Failure, type FailureCode } from '../config/failure.ts';
import { type PlainAnswer, responseOf } from './plain-answer.ts';

/** Every error's body, whoever made it: this program, or the code inside a sandbox. */
export interface ErrorBody {
  /** A dotted name for programs, such as `Lambda.NotFound` or `ValueError`. */
  errorType: string;
  /** A sentence for people. */
  errorMessage: string;
  /** Lines of the handler's traceback. */
  stackTrace?: readonly string[];
  requestId: string;
}

export interface Problem {
  status: number;
  errorType: string;
  errorMessage: string;
  /** Seconds after which trying again may help. The call has not begun. */
  retryAfterS?: number;
  /** Names and values by turns. */
  headers?: readonly string[];
}

interface Kind {
  status: number;
  errorType: string;
  retryAfterS?: number;
}

const INTERNAL: Kind = { status: 500, errorType: 'Worker.Internal' };

/** What a failure looks like over HTTP. */
export const PROBLEM_KINDS: Readonly<Record<FailureCode, Kind>> = {
  'lambda-missing': { status: 404, errorType: 'Lambda.NotFound' },
  'lambda-invalid': { status: 500, errorType: 'Lambda.Invalid' },
  'packages-failed': { status: 500, errorType: 'Packages.Failed' },
  'packages-installing': { status: 503, errorType: 'Packages.Installing', retryAfterS: 5 },
  'name-invalid': { status: 400, errorType: 'Request.NameInvalid' },
  'method-invalid': { status: 405, errorType: 'Request.MethodInvalid' },
  'event-invalid': { status: 400, errorType: 'Request.EventInvalid' },
  'event-too-large': { status: 413, errorType: 'Request.EventTooLarge' },
  'event-memory-full': { status: 503, errorType: 'Worker.EventMemoryFull', retryAfterS: 1 },
  'queue-full': { status: 429, errorType: 'Queue.Full', retryAfterS: 1 },
  'queue-timeout': { status: 503, errorType: 'Queue.Timeout', retryAfterS: 1 },
  'async-full': { status: 429, errorType: 'Async.Full', retryAfterS: 1 },
  'async-no-room': { status: 507, errorType: 'Async.NoRoom', retryAfterS: 60 },
  'async-unavailable': { status: 501, errorType: 'Async.Unavailable' },
  'call-missing': { status: 404, errorType: 'Async.NotFound' },
  'idempotency-key-invalid': { status: 400, errorType: 'Request.IdempotencyKeyInvalid' },
  'idempotency-conflict': { status: 422, errorType: 'Request.IdempotencyConflict' },
  'store-full': { status: 507, errorType: 'Store.Full', retryAfterS: 60 },
  'store-unavailable': { status: 503, errorType: 'Store.Unavailable', retryAfterS: 1 },
  stopping: { status: 503, errorType: 'Worker.Stopping', retryAfterS: 1 },
  'registry-unreachable': { status: 503, errorType: 'Registry.Unreachable', retryAfterS: 1 },
  'registry-refused': { status: 500, errorType: 'Registry.Refused' },
  'sandbox-failed': { status: 500, errorType: 'Sandbox.Failed' },
  'session-missing': { status: 404, errorType: 'Session.NotFound' },
  'session-invalid': { status: 400, errorType: 'Session.Invalid' },
  'sessions-full': { status: 503, errorType: 'Session.Full', retryAfterS: 5 },
  'language-missing': { status: 404, errorType: 'Session.LanguageNotFound' },
  'run-missing': { status: 404, errorType: 'Session.RunNotFound' },
  'run-conflict': { status: 409, errorType: 'Session.RunConflict' },
  'cannot-fork': { status: 409, errorType: 'Session.CannotFork' },
  'path-invalid': { status: 400, errorType: 'Session.PathInvalid' },
  'file-missing': { status: 404, errorType: 'Session.FileNotFound' },
  'agent-missing': { status: 503, errorType: 'Agent.Missing', retryAfterS: 5 },
  usage: INTERNAL,
  'config-invalid': INTERNAL,
  'config-missing': INTERNAL,
  'cluster-missing': INTERNAL,
  'secret-missing': INTERNAL,
  conflict: INTERNAL,
  'revision-old': INTERNAL,
  'worker-failed': INTERNAL,
  unreachable: INTERNAL,
  'machine-unfit': INTERNAL,
};

/** For the reference. */
export function toldOf(code: FailureCode): { status: number; name: string } {
  const { status, errorType } = PROBLEM_KINDS[code];
  return { status, name: errorType };
}

export function problemOf(failure: Failure): Problem {
  const step = failure.step === undefined ? '' : ` (step: ${failure.step})`;
  return { ...PROBLEM_KINDS[failure.code], errorMessage: failure.message + step };
}

/** For what nobody foresaw. The message stays in the log: it may hold paths and other people's data. */
export function problemOfError(error: unknown): Problem {
  if (error instanceof Failure) return problemOf(error);
  return { ...INTERNAL, errorMessage: 'The worker failed to handle this request; its log says why.' };
}

export function problemBody(problem: Problem, requestId: string): string {
  const { errorType, errorMessage } = problem;
  const body: ErrorBody = { errorType, errorMessage, requestId };
  return `${JSON.stringify(body)}\n`;
}

export function problemAnswer(problem: Problem, requestId: string): PlainAnswer {
  const headers = [...(problem.headers ?? []), 'Content-Type', 'application/json', 'X-Request-Id', requestId];
  if (problem.retryAfterS !== undefined) headers.push('Retry-After', String(problem.retryAfterS));
  return { status: problem.status, headers, body: problemBody(problem, requestId) };
}

export function problemResponse(problem: Problem, requestId: string): Response {
  return responseOf(problemAnswer(problem, requestId));
}
