/** The schedules of a cluster as its workers know them, read beside them or without them. */
import type { Settings } from '../config/settings.ts';
import { Occurrences, patternParts } from '../schedule/occurrences.ts';
import { withQueue } from './async-admin.ts';

export interface ScheduleFacts {
  lambda: string;
  name: string;
  cron: string;
  timezone: string;
  /** ISO 8601; null if it is never due again. */
  next: string | null;
  /** When the last call that it made was due; null if it has made none. */
  last: string | null;
}

/** Throws Failure as `withQueue` does. */
export async function listSchedules(settings: Settings, nowMs: number): Promise<ScheduleFacts[]> {
  const views = await withQueue(settings, (queue) => queue.ask('schedules', {}));
  return (views ?? []).map(({ lambda, name, pattern, firedMs }) => {
    const { cron, timezone } = patternParts(pattern);
    const next = new Occurrences({ cron, timezone, missed: 'skip' }).after(nowMs);
    return { lambda, name, cron, timezone, next: timeOf(next ?? null), last: timeOf(firedMs) };
  });
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
