/**
 * How many sandboxes should wait, judged by how they were asked for of late.
 *
 * Each one that is taken adds to a debt that the machine pays off at the speed at which it makes new ones. The
 * highest debt there was is the number that would have had to wait for nobody to find none. It is remembered for
 * a while, and forgotten by halves: a burst finds what the one before it needed, and a worker at rest keeps little.
 *
 * Callers who find none wait, and come no faster than sandboxes are made: by that alone a burst would look like what
 * the machine can do. So the time for which one of them may have waited pays nothing off.
 */

/** What making one takes on a machine that does other things as well, in milliseconds. */
const MAKE_MS = 10;
/** A minute after a burst a quarter of what it needed still waits. */
const HALF_LIFE_MS = 30_000;

/** For so long a caller who found none may have waited, at most. */
const WAITED_MS_MAX = 100;

export interface DemandState {
  /** When the rest was true. */
  readonly atMs: number;
  /** Taken and not yet paid off. */
  readonly debt: number;
  /** The highest debt, as far as it is remembered. */
  readonly peak: number;
}

export const NO_DEMAND: DemandState = { atMs: 0, debt: 0, peak: 0 };

/** What has become of it by now. */
export function demandAt({ atMs, debt, peak }: DemandState, nowMs: number, waitedMsMax = 0): DemandState {
  const passedMs = Math.max(0, nowMs - atMs);
  const freeMs = Math.max(0, passedMs - waitedMsMax);
  return { atMs: nowMs, debt: Math.max(0, debt - freeMs / MAKE_MS), peak: peak * 0.5 ** (passedMs / HALF_LIFE_MS) };
}

/** One more was asked for. `found`: one waited for it. */
export function demandAfterOne(state: DemandState, nowMs: number, found: boolean): DemandState {
  const { debt, peak } = demandAt(state, nowMs, found ? 0 : WAITED_MS_MAX);
  return { atMs: nowMs, debt: debt + 1, peak: Math.max(peak, debt + 1) };
}

/** How many should wait: never fewer than `min`, and not more than `max` unless `min` is. 0 at least means none at all. */
export function wantedWaiting(state: DemandState, nowMs: number, { min, max }: { min: number; max: number }): number {
  if (min === 0) return 0;
  return Math.max(min, Math.min(max, Math.round(demandAt(state, nowMs).peak)));
}
