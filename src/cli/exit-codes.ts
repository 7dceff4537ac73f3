/** What the program's exit codes mean. Scripts rely on them: they never change. */
import type { FailureCode } from '../config/failure.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  functionError: 4,
  timeout: 5,
  unreachable: 6,
  auth: 7,
  conflict: 8,
  interrupted: 130,
  terminated: 143,
} as const;

export const EXIT_CODES_HELP = `Exit codes:
  0  ok                      5  timeout
  1  something failed        6  worker not reachable, or full
  2  wrong usage or setting  7  not allowed
  3  not found               8  conflict: it exists or runs already
  4  the lambda failed       130, 143  ended by SIGINT, SIGTERM`;

const OF_FAILURE: Readonly<Record<FailureCode, number>> = {
  usage: EXIT.usage,
  'config-invalid': EXIT.usage,
  'config-missing': EXIT.notFound,
  'cluster-missing': EXIT.notFound,
  'secret-missing': EXIT.notFound,
  conflict: EXIT.conflict,
  'revision-old': EXIT.conflict,
  'lambda-missing': EXIT.notFound,
  'lambda-invalid': EXIT.functionError,
  'packages-failed': EXIT.failed,
  'packages-installing': EXIT.unreachable,
  'name-invalid': EXIT.usage,
  'method-invalid': EXIT.usage,
  'event-invalid': EXIT.usage,
  'event-too-large': EXIT.usage,
  'event-memory-full': EXIT.unreachable,
  'queue-full': EXIT.unreachable,
  'queue-timeout': EXIT.timeout,
  'async-full': EXIT.unreachable,
  'async-no-room': EXIT.unreachable,
  'async-unavailable': EXIT.failed,
  'call-missing': EXIT.notFound,
  'idempotency-key-invalid': EXIT.usage,
  'idempotency-conflict': EXIT.conflict,
  'store-full': EXIT.failed,
  'store-unavailable': EXIT.unreachable,
  stopping: EXIT.unreachable,
  'sandbox-failed': EXIT.failed,
  'worker-failed': EXIT.failed,
  unreachable: EXIT.unreachable,
  'registry-unreachable': EXIT.unreachable,
  'registry-refused': EXIT.auth,
  'session-missing': EXIT.notFound,
  'session-invalid': EXIT.usage,
  'sessions-full': EXIT.unreachable,
  'language-missing': EXIT.notFound,
  'run-missing': EXIT.notFound,
  'run-conflict': EXIT.conflict,
  'cannot-fork': EXIT.failed,
  'path-invalid': EXIT.usage,
  'file-missing': EXIT.notFound,
  'agent-missing': EXIT.unreachable,
  'machine-unfit': EXIT.failed,
};

export function exitCodeOf(code: FailureCode): number {
  return OF_FAILURE[code];
}

/** Of an answer to a call. Types with a dot are the worker's own; a handler's are names of Python classes. */
export function exitCodeOfAnswer(httpStatus: number, errorType: string): number {
  switch (httpStatus) {
    case 200:
      return EXIT.ok;
    case 404:
      return EXIT.notFound;
    case 429:
      return EXIT.unreachable;
    case 500:
    case 502:
      return OWN_FAULTS.has(errorType) ? EXIT.failed : EXIT.functionError;
    case 503:
      return errorType === 'Queue.Timeout' ? EXIT.timeout : EXIT.unreachable;
    case 504:
      return EXIT.timeout;
    default:
      return httpStatus >= 400 && httpStatus < 500 ? EXIT.usage : EXIT.failed;
  }
}

/** What went wrong on our side, not in the lambda. */
const OWN_FAULTS = new Set(['Sandbox.Failed', 'Sandbox.Lost', 'Worker.Internal']);
