/** What is told of every call when its outcome is known, to those who keep books: logs, metrics, `admin dev`. */
import type { Failure } from '../config/failure.ts';
import type { LambdaSpec } from '../config/lambda-spec.ts';
import { problemOf } from '../http/problem.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { LambdaName } from '../registry/source.ts';
import type { Output } from '../sandbox/sandbox.ts';
import { errorTypeOf, problemOfRun } from './answer.ts';
import type { Trigger } from './invocation.ts';
import type { CallRun, LoadOutcome, Outcome } from './outcome.ts';

export interface CallRecord {
  /** What the caller asked for. There is no such lambda if `errorType` is `Lambda.NotFound`: do not keep books by that name. */
  lambda: LambdaName;
  requestId: string;
  trigger: Trigger;
  /** Unix time in milliseconds at which the whole event had been read. */
  startedMs: number;
  /** From there to the outcome. */
  durationMs: number;
  outcome: Outcome['kind'];
  /** As the caller is told; undefined for a result, and when nobody was there to be told. */
  errorType: string | undefined;
  /** Undefined if the event was given to no instance. */
  run: CallRun | undefined;
  /** JSON, unparsed, in memory that is somebody else's afterwards: whoever keeps it makes a copy. */
  event: Uint8Array;
  /** What the sandbox answered, as JSON; undefined if it did not. As `event`. */
  body: Uint8Array | undefined;
  /** What its lambda says of it; undefined if there is none. */
  config: Pick<LambdaSpec, 'keepCalls'> | undefined;
}

/** What became of code that was loaded before anybody called it, or that can not be used. */
export interface LoadRecord {
  lambda: LambdaName;
  /** As a caller would be told; undefined if it loads. */
  errorType: string | undefined;
  /** The worker's own words for it, if it was not the code that failed, which has printed its traceback. */
  message: string | undefined;
}

/** Whose something is. */
export interface InstanceName {
  lambda: string;
  /** Digest of the code. */
  version: string;
  /** Its number. */
  instance: number;
}

/** An event was given to an instance. */
export interface CallStart extends InstanceName {
  requestId: string;
}

/** What an instance printed in one go. */
export interface InstanceOutput extends Output, InstanceName {}

/** Who is told of a call while it runs. */
export interface RunSink {
  onStart(start: CallStart): void;
  onOutput(output: InstanceOutput): void;
}

/** All are called on the path of the answer: they take note and do their work later. They never throw. */
export interface CallSink {
  onCall(record: CallRecord): void;
  /** Of each call that was given to an instance; of one call twice if the first ended before it had any code. */
  onStart?(start: CallStart): void;
  /** A call's output comes before its record, unless it was cut off: then some may come after. */
  onOutput?(output: InstanceOutput): void;
  onLoad?(record: LoadRecord): void;
}

/** The record of a call that began at `startedMs`, and ends now. */
export function recordOf(
  outcome: Outcome,
  call: Pick<CallRecord, 'lambda' | 'requestId' | 'trigger' | 'startedMs' | 'durationMs' | 'event' | 'config'>,
): CallRecord {
  const { lambda, requestId, trigger, startedMs, durationMs, event, config } = call;
  const run = 'run' in outcome ? outcome.run : undefined;
  const body = 'body' in outcome ? outcome.body : undefined;
  const errorType = errorTypeOf(outcome);
  const { kind } = outcome;
  return { lambda, requestId, trigger, startedMs, durationMs, outcome: kind, errorType, run, event, body, config };
}

export function loadRecordOf(lambda: LambdaName, outcome: LoadOutcome): LoadRecord {
  switch (outcome.kind) {
    case 'loaded':
      return { lambda, errorType: undefined, message: undefined };
    case 'init-failed':
      return { lambda, errorType: errorTypeOf(outcome), message: undefined };
    case 'timeout':
    case 'ended':
      return { lambda, errorType: errorTypeOf(outcome), message: problemOfRun(outcome).errorMessage };
    default:
      return assertNever(outcome);
  }
}

/** Of code that was never given to a sandbox. */
export function refusedLoadOf(lambda: LambdaName, failure: Failure): LoadRecord {
  const { errorType, errorMessage } = problemOf(failure);
  return { lambda, errorType, message: errorMessage };
}
