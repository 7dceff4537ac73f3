/** What is told of every call when its outcome is known, to those who keep books: logs, metrics, `admin dev`. */
import type { LambdaName } from '../registry/source.ts';
import { errorTypeOf } from './answer.ts';
import type { CallRun, Outcome } from './outcome.ts';

export interface CallRecord {
  /** What the caller asked for. There is no such lambda if `errorType` is `Lambda.NotFound`: do not keep books by that name. */
  lambda: LambdaName;
  requestId: string;
  /** Unix time in milliseconds at which the whole event had been read. */
  startedMs: number;
  /** From there to the outcome. */
  durationMs: number;
  outcome: Outcome['kind'];
  /** As the caller is told; undefined for a result, and when nobody was there to be told. */
  errorType: string | undefined;
  /** Undefined if the event was given to no instance. */
  run: CallRun | undefined;
}

export interface CallSink {
  /** Called on the path of the answer: takes note and does its work later. Never throws. */
  onCall(record: CallRecord): void;
}

/** The record of a call that began at `startedMs`, and ends now. */
export function recordOf(
  outcome: Outcome,
  call: { lambda: LambdaName; requestId: string; startedMs: number; durationMs: number },
): CallRecord {
  const { lambda, requestId, startedMs, durationMs } = call;
  const run = 'run' in outcome ? outcome.run : undefined;
  return { lambda, requestId, startedMs, durationMs, outcome: outcome.kind, errorType: errorTypeOf(outcome), run };
}
