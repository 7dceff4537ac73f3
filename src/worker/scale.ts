/** When a lambda needs more instances, and when it must give one up to another. Pure. */

export interface Demand {
  waiting: number;
  /** Instances that are being started. */
  starting: number;
  /** Instances that live, those that are starting included. */
  live: number;
  concurrencyMax: number;
  /** How long a call keeps an instance busy; undefined as long as none has ended. */
  typicalCallMs: number | undefined;
  /** How long the first in the queue has waited. */
  headWaitMs: number;
  /** Whether somebody would be refused unless an instance is started for him. */
  full: boolean;
}

/**
 * A wait that is worth a new instance. A hand-over out of the pool takes about as long; with shorter
 * waits the instances that are there are quicker, and take no memory more.
 */
const WAIT_WORTH_MS = 2;

/** A first in the queue that has waited this long proves that calls take longer than they typically do. */
export const PATIENCE_MS = 10;

export function startsWanted(demand: Demand): number {
  const { waiting, starting, live, concurrencyMax, typicalCallMs } = demand;
  const most = Math.min(waiting - starting, concurrencyMax - live);
  if (most <= 0) return 0;
  if (typicalCallMs === undefined || demand.full) return most;
  const needed = Math.ceil((waiting * typicalCallMs) / WAIT_WORTH_MS);
  const least = live === 0 || (demand.headWaitMs >= PATIENCE_MS && starting === 0) ? 1 : 0;
  return Math.min(most, Math.max(needed - live, least));
}

/** How long a lambda may keep its only instance from another that has none, so that they do not push each other out call by call. */
export const TENURE_MS = 100;

export interface Rival {
  live: number;
  waitMs: number;
}

/** Whether a lambda with `live` instances must give one that has just become free to the poorest that waits for a place. */
export function mustYield(live: number, poorest: Rival): boolean {
  if (live === 1) return poorest.live === 0 && poorest.waitMs >= TENURE_MS;
  return live > poorest.live + 1;
}
