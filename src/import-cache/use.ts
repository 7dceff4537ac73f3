/** How often something is used of late: a count that halves. Pure. */

/** Long enough for what is called every few minutes, short enough to forget last night. */
const HALF_LIFE_MS = 600_000;

export interface Use {
  readonly atMs: number;
  readonly count: number;
}

export const UNUSED: Use = { atMs: 0, count: 0 };

export function usedAt({ atMs, count }: Use, nowMs: number): number {
  return count * 0.5 ** (Math.max(0, nowMs - atMs) / HALF_LIFE_MS);
}

export function usedAgain(use: Use, nowMs: number): Use {
  return { atMs: nowMs, count: usedAt(use, nowMs) + 1 };
}
