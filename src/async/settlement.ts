/** What becomes of an asynchronous call after a run: done, run again and when, or given up. Pure. */
import type { AsyncSpec } from '../config/async-spec.ts';
import type { FailureCode } from '../config/failure.ts';
import { problemOf } from '../http/problem.ts';
import { assertNever } from '../lib/assert-never.ts';
import type { JobError, Settlement, TakenJob } from '../store/queue/leases.ts';
import { errorTypeOf, problemOfRun } from '../worker/answer.ts';
import type { Outcome } from '../worker/outcome.ts';
import { ERROR_BODY_BYTES_MAX, JITTER, REFUSED_WAIT_MS, REFUSED_WAIT_MS_MAX, RETRY_WAIT_MS_MAX } from './limits.ts';

/** Refusals that say nothing about the lambda: the call was not begun, and the same later may succeed. */
const PASSING: readonly FailureCode[] = [
  'queue-full',
  'queue-timeout',
  'event-memory-full',
  'registry-unreachable',
  'packages-installing',
];

export interface Judgement {
  job: Pick<TakenJob, 'attempts' | 'refusals' | 'createdMs'>;
  spec: AsyncSpec;
  nowMs: number;
  /** From 0 to 1. */
  random: number;
}

export function settlementOf(outcome: Outcome, judgement: Judgement): Settlement {
  switch (outcome.kind) {
    case 'result':
      return { kind: 'done' };
    case 'event-invalid':
      return { kind: 'dead', error: errorOf(outcome) };
    case 'raised':
    case 'init-failed':
    case 'timeout':
      return retryOf(errorOf(outcome), judgement);
    case 'ended':
      if (outcome.ending.cause === 'destroyed') return { kind: 'lost' };
      return outcome.ending.cause === 'not-started'
        ? refusedOf(errorOf(outcome), judgement)
        : retryOf(errorOf(outcome), judgement);
    case 'refused':
      if (outcome.failure.code === 'stopping') return { kind: 'released' };
      return PASSING.includes(outcome.failure.code)
        ? refusedOf(errorOf(outcome), judgement)
        : retryOf(errorOf(outcome), judgement);
    case 'cancelled':
    case 'abandoned':
      // Only a caller who waits can go away.
      return { kind: 'lost' };
    default:
      return assertNever(outcome);
  }
}

export function tooOld({ job, spec, nowMs }: Pick<Judgement, 'job' | 'spec' | 'nowMs'>): boolean {
  return nowMs - job.createdMs >= spec.max_age_s * 1000;
}

function retryOf(error: JobError, judgement: Judgement): Settlement {
  const { job, spec, nowMs } = judgement;
  if (job.attempts >= spec.retries) return { kind: 'dead', error };
  return laterOf('retry', error, { ...judgement, dueMs: nowMs + retryWaitMs(judgement) });
}

function refusedOf(error: JobError, judgement: Judgement): Settlement {
  return laterOf('refused', error, { ...judgement, dueMs: judgement.nowMs + refusedWaitMs(judgement) });
}

/** Whoever would be too old by then is given up now. */
function laterOf(kind: 'retry' | 'refused', error: JobError, judgement: Judgement & { dueMs: number }): Settlement {
  const { job, spec, dueMs } = judgement;
  return tooOld({ job, spec, nowMs: dueMs }) ? { kind: 'dead', error } : { kind, dueMs, error };
}

function retryWaitMs({ job, spec, random }: Judgement): number {
  return jittered(Math.min(spec.backoff_ms * 2 ** job.attempts, RETRY_WAIT_MS_MAX), random);
}

function refusedWaitMs({ job, random }: Judgement): number {
  return jittered(Math.min(REFUSED_WAIT_MS * 2 ** job.refusals, REFUSED_WAIT_MS_MAX), random);
}

function jittered(waitMs: number, random: number): number {
  return Math.round(waitMs * (1 + JITTER * random));
}

function errorOf(outcome: Outcome): JobError {
  return { errorType: errorTypeOf(outcome) ?? 'Unknown', errorMessage: messageOf(outcome) };
}

function messageOf(outcome: Outcome): string {
  if ('body' in outcome) return messageIn(outcome.body);
  if (outcome.kind === 'timeout' || outcome.kind === 'ended') return problemOfRun(outcome).errorMessage;
  return outcome.kind === 'refused' ? problemOf(outcome.failure).errorMessage : outcome.kind;
}

function messageIn(body: Buffer): string {
  if (body.length > ERROR_BODY_BYTES_MAX) return `an error of ${body.length} bytes`;
  try {
    const { errorMessage } = JSON.parse(body.toString()) as { errorMessage?: unknown };
    return String(errorMessage);
  } catch {
    // Python writes NaN, which JSON does not know.
    return 'an error that is not JSON';
  }
}
