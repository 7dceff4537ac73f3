/** How long to wait before the next try, in milliseconds: twice as long after each, and never all agents at once. */
const FIRST_MS = 100;
/** A gateway that has come back is found well before sessions are given up. */
const LAST_MS = 3_000;

/** `tries` have failed; `random` is from 0 to 1. */
export function backoffMs(tries: number, random: number): number {
  const most = Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(tries, 16));
  return Math.round(most / 2 + (most / 2) * random);
}
