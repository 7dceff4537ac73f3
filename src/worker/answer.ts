/** What each outcome looks like over HTTP. */
import type { PlainAnswer } from '../http/plain-answer.ts';
import { type Problem, problemAnswer, problemOf } from '../http/problem.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { Ending } from '../sandbox/sandbox.ts';
import type { AnsweredKind, CallRun, Outcome } from './outcome.ts';

/** As OpenLambda has them, on every answer below /runLambda. */
export const CORS_HEADERS = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Allow-Methods',
  'GET, PUT, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Headers',
  'Content-Type, Content-Range, Content-Disposition, Content-Description, X-Requested-With',
] as const;

const STATUSES: Readonly<Record<AnsweredKind, number>> = {
  result: 200,
  raised: 500,
  'init-failed': 500,
  'event-invalid': 400,
};

export interface AnswerFacts {
  requestId: string;
}

export function answer(outcome: Outcome, facts: AnswerFacts): PlainAnswer {
  switch (outcome.kind) {
    case 'result':
    case 'raised':
    case 'init-failed':
    case 'event-invalid':
      return {
        status: STATUSES[outcome.kind],
        headers: [
          ...CORS_HEADERS,
          'Content-Type',
          'application/json',
          'X-Request-Id',
          facts.requestId,
          'Server-Timing',
          serverTiming(outcome.run),
        ],
        body: outcome.body,
      };
    case 'timeout':
    case 'ended': {
      const headers = ['Server-Timing', serverTiming(outcome.run)];
      return refuse({ ...problemOfRun(outcome), headers }, facts);
    }
    case 'refused':
      return refuse(problemOf(outcome.failure), facts);
    case 'cancelled':
    case 'abandoned':
      // Nobody hears it; 499 is what nginx writes into its log for the same.
      return { status: 499, headers: [], body: null };
    default:
      return assertNever(outcome);
  }
}

/** What the caller is told by `errorType`; undefined for a result, and for nobody. */
export function errorTypeOf(outcome: Outcome): string | undefined {
  switch (outcome.kind) {
    case 'result':
    case 'cancelled':
    case 'abandoned':
      return undefined;
    case 'raised':
    case 'init-failed':
    case 'event-invalid':
      return ERROR_TYPE.exec(outcome.body.toString('latin1', 0, ERROR_TYPE_WITHIN_BYTES))?.[1] ?? 'Unknown';
    case 'timeout':
    case 'ended':
      return problemOfRun(outcome).errorType;
    case 'refused':
      return problemOf(outcome.failure).errorType;
    default:
      return assertNever(outcome);
  }
}

/** The name of an exception is the handler's own; what is no plain name is not passed on. */
const ERROR_TYPE = /^\{"errorType": ?"([A-Za-z0-9_.]{1,100})"/;
const ERROR_TYPE_WITHIN_BYTES = 128;

/** An error answer of the worker's own below /runLambda. */
export function refuse(problem: Problem, { requestId }: { requestId: string }): PlainAnswer {
  return problemAnswer({ ...problem, headers: [...CORS_HEADERS, ...(problem.headers ?? [])] }, requestId);
}

/** Of a run that was not answered from inside. */
export function problemOfRun(outcome: Outcome & { kind: 'timeout' | 'ended' }): Problem {
  if (outcome.kind === 'ended') return endedProblem(outcome.ending, outcome.run.memoryMb);
  const errorMessage = `Task timed out after ${(outcome.timeoutMs / 1000).toFixed(2)} seconds`;
  return { status: 504, errorType: 'Sandbox.Timedout', errorMessage };
}

function endedProblem(ending: Ending, memoryMb: number): Problem {
  switch (ending.cause) {
    case 'exit': {
      const errorMessage = `Runtime exited with error: exit status ${ending.status}`;
      return { status: 502, errorType: 'Runtime.ExitError', errorMessage };
    }
    case 'signal': {
      const errorMessage = `Runtime exited with error: signal: ${SIGNAL_WORDS[ending.signal] ?? ending.signal}`;
      return { status: 502, errorType: 'Runtime.ExitError', errorMessage };
    }
    case 'out-of-memory': {
      const errorMessage = `The sandbox needed more than its ${memoryMb} MB of memory and was killed`;
      return { status: 502, errorType: 'Runtime.OutOfMemory', errorMessage };
    }
    case 'destroyed': {
      const errorMessage = 'The worker stopped before the call had ended';
      return { status: 503, errorType: 'Worker.Stopping', errorMessage };
    }
    case 'not-started':
    case 'lost': {
      const errorMessage = `The sandbox was lost during the call: ${ending.reason}`;
      return { status: 502, errorType: 'Sandbox.Lost', errorMessage };
    }
    default:
      return assertNever(ending);
  }
}

/** As Go's os/exec words them, which is what AWS's messages quote. */
const SIGNAL_WORDS: Readonly<Record<string, string>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGSEGV: 'segmentation fault',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
  SIGXCPU: 'CPU time limit exceeded',
  SIGXFSZ: 'file size limit exceeded',
  SIGSYS: 'bad system call',
};

/** Milliseconds, as browsers' developer tools show them. `init` only when this call loaded the code. */
export function serverTiming({ queueMs, initMs, runMs }: CallRun): string {
  const init = !initMs ? '' : `init;dur=${shortMs(initMs)}, `;
  return `queue;dur=${shortMs(queueMs)}, ${init}run;dur=${shortMs(runMs)}`;
}

/** To the microsecond. */
function shortMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
