/** What each outcome looks like over HTTP. */
import { type Problem, problemOf, problemResponse } from '../http/problem.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { Ending, Timings } from '../sandbox/sandbox.ts';
import type { AnsweredKind, Outcome } from './outcome.ts';

/** As OpenLambda has them, on every answer below /runLambda. */
export const CORS_HEADERS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, PUT, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Headers':
    'Content-Type, Content-Range, Content-Disposition, Content-Description, X-Requested-With',
} as const;

const STATUSES: Readonly<Record<AnsweredKind, number>> = {
  result: 200,
  raised: 500,
  'init-failed': 500,
  'event-invalid': 400,
};

export interface AnswerFacts {
  requestId: string;
}

export function answer(outcome: Outcome, facts: AnswerFacts): Response {
  switch (outcome.kind) {
    case 'result':
    case 'raised':
    case 'init-failed':
    case 'event-invalid':
      // A Buffer with plain headers is what node-server writes without detours.
      return new Response(outcome.body as Uint8Array<ArrayBuffer>, {
        status: STATUSES[outcome.kind],
        headers: {
          ...CORS_HEADERS,
          'Content-Type': 'application/json',
          'X-Request-Id': facts.requestId,
          'Server-Timing': serverTiming(outcome.queueMs, outcome.timings),
        },
      });
    case 'timeout': {
      const errorMessage = `Task timed out after ${(outcome.timeoutMs / 1000).toFixed(2)} seconds`;
      return refuse({ status: 504, errorType: 'Sandbox.Timedout', errorMessage }, facts);
    }
    case 'ended':
      return refuse(endedProblem(outcome.ending, outcome.memoryMb), facts);
    case 'refused':
      return refuse(problemOf(outcome.failure), facts);
    case 'abandoned':
      // Nobody hears it; 499 is what nginx writes into its log for the same.
      return new Response(null, { status: 499 });
    default:
      return assertNever(outcome);
  }
}

/** An error answer of the worker's own below /runLambda. */
export function refuse(problem: Problem, { requestId }: { requestId: string }): Response {
  return problemResponse({ ...problem, headers: { ...CORS_HEADERS, ...problem.headers } }, requestId);
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
function serverTiming(queueMs: number, { initUs, runUs }: Timings): string {
  const init = initUs === 0 ? '' : `init;dur=${initUs / 1000}, `;
  return `queue;dur=${queueMs === 0 ? 0 : queueMs.toFixed(3)}, ${init}run;dur=${runUs / 1000}`;
}
