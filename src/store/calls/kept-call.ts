/** A call as it is kept, and what it adds to the sums. Times are in milliseconds. */

export interface KeptCall {
  requestId: string;
  lambda: string;
  /** Digest of the code; this and what follows is null if no instance had it. */
  version: string | null;
  instance: number | null;
  cold: boolean | null;
  outcome: string;
  errorType: string | null;
  /** Unix time. */
  startedMs: number;
  durationMs: number;
  queueMs: number | null;
  initMs: number | null;
  runMs: number | null;
  cpuMs: number | null;
  memoryBytes: number | null;
  /** Null if it is longer than is kept, or was not to be. */
  event: Uint8Array | null;
  eventBytes: number;
  /** What the caller was answered, as JSON: the result or the typed error. As `event`. */
  result: Uint8Array | null;
  resultBytes: number;
  /** The begin of what was printed, both streams. */
  output: Uint8Array | null;
  outputCut: boolean;
}

/** Sums over calls of one lambda on one day with one memory limit: see schema.ts. */
export interface Usage {
  /** Days since 1970, UTC. */
  day: number;
  lambda: string;
  memoryMb: number;
  calls: number;
  errors: number;
  cold: number;
  ms: number;
  msBy100: number;
  usedMbMs: number;
  cpuMs: number;
}

export const DAY_MS = 86_400_000;

/** What a row has besides its bodies, roughly, with its share of the indexes. */
const ROW_BYTES = 400;

export function bytesOf({ event, result, output }: KeptCall): number {
  return ROW_BYTES + (event?.length ?? 0) + (result?.length ?? 0) + (output?.length ?? 0);
}

/** What one call adds; nothing if no instance had it, as nobody charges for those. */
export function usageOf(call: KeptCall, memoryMb: number): Usage | undefined {
  if (call.runMs === null) return undefined;
  const ms = Math.max(1, Math.ceil((call.initMs ?? 0) + call.runMs));
  const msBy100 = Math.ceil(ms / 100) * 100;
  const usedMb = Math.max(1, Math.ceil((call.memoryBytes ?? 0) / (128 * 1_048_576))) * 128;
  return {
    day: Math.floor(call.startedMs / DAY_MS),
    lambda: call.lambda,
    memoryMb,
    calls: 1,
    errors: call.errorType === null ? 0 : 1,
    cold: call.cold ? 1 : 0,
    ms,
    msBy100,
    usedMbMs: usedMb * Math.max(100, ms),
    cpuMs: call.cpuMs ?? 0,
  };
}

/** Adds to the first what the second says; they are of the same day, lambda and memory. */
export function addUsage(sum: Usage, more: Usage): void {
  sum.calls += more.calls;
  sum.errors += more.errors;
  sum.cold += more.cold;
  sum.ms += more.ms;
  sum.msBy100 += more.msBy100;
  sum.usedMbMs += more.usedMbMs;
  sum.cpuMs += more.cpuMs;
}
