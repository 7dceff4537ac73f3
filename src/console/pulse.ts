/** Calls by the second, for charts: rates, and latencies in steps. */
import type { CallRecord, CallSink } from '../worker/call-record.ts';

/** What one second of calls came to. Latencies are of the whole call, in milliseconds; null if there was none. */
export interface Second {
  /** Unix time in whole seconds. */
  at: number;
  calls: number;
  errors: number;
  cold: number;
  p50: number | null;
  p99: number | null;
}

/** Seconds that are remembered: what the charts show. */
export const SECONDS_KEPT = 120;

/** Each step of a latency is a quarter more than the one before: a chart can show no less. */
const STEP = 1.25;
const FIRST_MS = 0.05;
const STEPS = 80;

interface Bucket {
  at: number;
  calls: number;
  errors: number;
  cold: number;
  steps: Uint32Array;
}

export class Pulse implements CallSink {
  readonly #buckets: Bucket[] = [];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
  }

  onCall({ errorType, durationMs, run }: CallRecord): void {
    const bucket = this.#bucket();
    bucket.calls += 1;
    if (errorType !== undefined) bucket.errors += 1;
    if (run?.cold) bucket.cold += 1;
    const step = stepOf(durationMs);
    bucket.steps[step] = (bucket.steps[step] as number) + 1;
  }

  /** Those that are over, the oldest first; without those in which nobody called. */
  seconds(): Second[] {
    const now = Math.floor(this.#nowMs() / 1_000);
    return this.#buckets.filter(({ at }) => at < now && at >= now - SECONDS_KEPT).map(secondOf);
  }

  #bucket(): Bucket {
    const at = Math.floor(this.#nowMs() / 1_000);
    const last = this.#buckets.at(-1);
    if (last?.at === at) return last;
    const bucket = { at, calls: 0, errors: 0, cold: 0, steps: new Uint32Array(STEPS) };
    this.#buckets.push(bucket);
    if (this.#buckets.length > SECONDS_KEPT + 1) this.#buckets.shift();
    return bucket;
  }
}

function secondOf({ at, calls, errors, cold, steps }: Bucket): Second {
  return { at, calls, errors, cold, p50: quantile(steps, calls, 0.5), p99: quantile(steps, calls, 0.99) };
}

function stepOf(ms: number): number {
  if (ms <= FIRST_MS) return 0;
  return Math.min(STEPS - 1, Math.ceil(Math.log(ms / FIRST_MS) / Math.log(STEP)));
}

/** The upper end of the step in which it lies. */
function quantile(steps: Uint32Array, count: number, part: number): number | null {
  let left = Math.ceil(count * part);
  if (left === 0) return null;
  for (const [step, calls] of steps.entries()) {
    left -= calls;
    if (left <= 0) return Number((FIRST_MS * STEP ** step).toPrecision(3));
  }
  return null;
}
