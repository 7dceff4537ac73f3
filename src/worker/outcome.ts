import type { Failure } from '../config/failure.ts';
import type { Ending, Reply, Timings } from '../sandbox/sandbox.ts';

/** What became of a request to run a lambda. Everything that can be expected is here; the rest is thrown. */
export type Outcome =
  /** The code inside the sandbox has spoken; `body` is JSON, its result or its typed error. */
  | { kind: AnsweredKind; body: Buffer; timings: Timings; queueMs: number }
  | { kind: 'timeout'; timeoutMs: number }
  /** The sandbox ended during the call. Whether the event was handled is unknown, so it is never sent again. */
  | { kind: 'ended'; ending: Ending; memoryMb: number }
  /** The event was never sent to a sandbox. */
  | { kind: 'refused'; failure: Failure }
  /** The caller went away before an instance was free. */
  | { kind: 'abandoned' };

export type AnsweredKind = Exclude<Reply['kind'], 'ended'>;
