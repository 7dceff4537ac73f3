import type { Failure } from '../config/failure.ts';
import type { Ending, Loaded, Reply } from '../sandbox/sandbox.ts';

/** What became of a request to run a lambda. Everything that can be expected is here; the rest is thrown. */
export type Outcome =
  /** The code inside the sandbox has spoken; `body` is JSON, its result or its typed error. */
  | { kind: AnsweredKind; body: Buffer; run: CallRun }
  | { kind: 'timeout'; timeoutMs: number; run: CallRun }
  /** The sandbox ended during the call. Whether the event was handled is unknown, so it is never sent again. */
  | { kind: 'ended'; ending: Ending; run: CallRun }
  /** The event was never sent to a sandbox. */
  | { kind: 'refused'; failure: Failure }
  /** The caller went away while it ran, and its lambda wants it to end then. */
  | { kind: 'cancelled'; run: CallRun }
  /** The caller went away before an instance was free. */
  | { kind: 'abandoned' };

export type AnsweredKind = Exclude<Reply['kind'], 'ended'>;

/**
 * What became of loading code ahead of any event. An instance whose code failed to load lives on, to answer
 * its first call with that.
 */
export type LoadOutcome = (Loaded & { kind: 'loaded' }) | (Outcome & { kind: 'init-failed' | 'timeout' | 'ended' });

/** How an instance ran an event. Times are in milliseconds. */
export interface CallRun {
  /** Number of the instance. */
  instance: number;
  /** Digest of the code. */
  version: string;
  /** It was the first call of its instance. */
  cold: boolean;
  /** Wait for an instance. */
  queueMs: number;
  /** What it took to load the code, for the call that found it newly loaded; else 0. Undefined if a first call ended without a word of it. */
  initMs: number | undefined;
  /** The handler's own time; without an answer, how long there was none. */
  runMs: number;
  /** What the instance may take. */
  memoryMb: number;
  /** The most that the instance has taken so far, in bytes; undefined if nobody knows. */
  memoryBytes: number | undefined;
  /** The CPU time that the instance has taken for it; undefined if nobody knows. */
  cpuMs: number | undefined;
}
