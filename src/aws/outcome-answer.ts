/** What each outcome looks like to AWS's clients. A function that failed is no failure of the service: 200, and a header. */
import type { PlainAnswer } from '../http/plain-answer.ts';
import { problemOf } from '../http/problem.ts';
import { assertNever } from '../lib/assert-never.ts';
import { problemOfRun, serverTiming } from '../worker/answer.ts';
import type { CallRun, Outcome } from '../worker/outcome.ts';
import { AwsError, awsErrorOf, requestIdHeaders } from './aws-error.ts';

export interface OutcomeFacts {
  requestId: string;
  /** The version that ran. */
  version: string;
  /** In base64; undefined if nobody asked. */
  log: string | undefined;
}

/** Throws AwsError for what did not run. */
export function outcomeAnswer(outcome: Outcome, facts: OutcomeFacts): PlainAnswer {
  switch (outcome.kind) {
    case 'result':
      return { status: 200, headers: headersOf(facts, outcome.run, false), body: outcome.body };
    case 'raised':
    case 'init-failed':
      return { status: 200, headers: headersOf(facts, outcome.run, true), body: outcome.body };
    case 'event-invalid':
      throw new AwsError(
        'InvalidRequestContentException',
        `Could not parse request body into json: ${faultIn(outcome.body)}`,
      );
    case 'timeout':
    case 'ended': {
      // Also if the worker is at fault: it may have run, and a client that were told so would send it again.
      const { errorType, errorMessage } = problemOfRun(outcome);
      const body = { errorType, errorMessage: `RequestId: ${facts.requestId} Error: ${errorMessage}` };
      return { status: 200, headers: headersOf(facts, outcome.run, true), body: JSON.stringify(body) };
    }
    case 'refused': {
      const { code } = outcome.failure;
      // Nothing but another version of it can help.
      if (code !== 'lambda-invalid' && code !== 'packages-failed') throw awsErrorOf(outcome.failure);
      const { errorType, errorMessage } = problemOf(outcome.failure);
      const body = { errorType, errorMessage, requestId: facts.requestId };
      return { status: 200, headers: headersOf(facts, undefined, true), body: JSON.stringify(body) };
    }
    case 'cancelled':
    case 'abandoned':
      // Nobody hears it.
      return { status: 499, headers: [], body: null };
    default:
      return assertNever(outcome);
  }
}

function headersOf({ requestId, version, log }: OutcomeFacts, run: CallRun | undefined, failed: boolean): string[] {
  const headers = [
    'Content-Type',
    'application/json',
    ...requestIdHeaders(requestId),
    'X-Amz-Executed-Version',
    version,
  ];
  if (failed) headers.push('X-Amz-Function-Error', 'Unhandled');
  if (log !== undefined) headers.push('X-Amz-Log-Result', log);
  if (run !== undefined) headers.push('Server-Timing', serverTiming(run));
  return headers;
}

/** The sandbox's own words for what is wrong with the event; they may be anything. */
function faultIn(body: Buffer): string {
  return (
    /"errorMessage": ?"Unable to unmarshal input: ((?:[^"\\]){1,500})"/.exec(body.toString())?.[1] ?? 'it is not JSON'
  );
}
