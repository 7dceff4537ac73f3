/**
 * Which schedules there are, and up to when each has fired. That mark moves in the transaction that takes the
 * call in, so of all workers that find a time due exactly one makes the call.
 */
import type { Database } from '../database.ts';
import type { AddJob } from './intake.ts';
import { MARK_AHEAD_MS } from './limits.ts';

export interface ScheduleMark {
  name: string;
  /** Up to when it has fired, or been passed over. */
  lastMs: number;
}

export interface KeepOrder {
  lambda: string;
  /** All that the lambda has now. Another pattern or time zone is another schedule. */
  schedules: readonly { name: string; pattern: string }[];
  nowMs: number;
}

export interface Due {
  dueMs: number;
  id: string;
  event: Uint8Array;
}

export interface FireOrder {
  lambda: string;
  name: string;
  pattern: string;
  /** In order of time. */
  dues: readonly Due[];
  /** Times up to here are over, fired or not. */
  upToMs: number;
  nowMs: number;
}

export interface ScheduleView extends ScheduleMark {
  lambda: string;
  pattern: string;
  /** When it fired last; null if it never has. */
  firedMs: number | null;
}

export function scheduleOps(database: Database, addJob: AddJob) {
  const marks = database.prepare('SELECT name, last_ms AS lastMs FROM schedules WHERE lambda = ?');
  const known = database.prepare('SELECT name, pattern, last_ms AS lastMs FROM schedules WHERE lambda = ?');
  const keep = database.prepare(
    `INSERT INTO schedules (lambda, name, pattern, last_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET pattern = excluded.pattern, last_ms = excluded.last_ms`,
  );
  const remove = database.prepare('DELETE FROM schedules WHERE lambda = ? AND name = ?');
  const mark = database.prepare('SELECT last_ms FROM schedules WHERE lambda = ? AND name = ? AND pattern = ?').pluck();
  const move = database.prepare('UPDATE schedules SET last_ms = ? WHERE lambda = ? AND name = ?');
  const fired = database.prepare('UPDATE schedules SET fired_ms = ? WHERE lambda = ? AND name = ?');
  const list = database.prepare(
    'SELECT lambda, name, pattern, last_ms AS lastMs, fired_ms AS firedMs FROM schedules ORDER BY lambda, name',
  );
  const plain = database.prepare('SELECT 1 FROM unscheduled WHERE lambda = ? AND version = ?').pluck();
  const notePlain = database.prepare('INSERT OR REPLACE INTO unscheduled (lambda, version) VALUES (?, ?)');

  return {
    /** One that is new, or has another pattern, begins now. Returns where each stands. */
    keepSchedules: {
      run({ lambda, schedules, nowMs }: KeepOrder): ScheduleMark[] {
        const before = known.all(lambda) as (ScheduleMark & { pattern: string })[];
        for (const { name } of before) if (!schedules.some((one) => one.name === name)) remove.run(lambda, name);
        for (const { name, pattern } of schedules) {
          const same = before.find((one) => one.name === name && one.pattern === pattern);
          // A mark far ahead was set by a clock that was wrong.
          if (same === undefined || same.lastMs > nowMs + MARK_AHEAD_MS) keep.run(lambda, name, pattern, nowMs);
        }
        return marks.all(lambda) as ScheduleMark[];
      },
    },
    /** Makes the calls that nobody else has made. Returns how many; undefined if there is no such schedule any more. */
    fire: {
      run({ lambda, name, pattern, dues, upToMs, nowMs }: FireOrder): number | undefined {
        const lastMs = mark.get(lambda, name, pattern) as number | undefined;
        if (lastMs === undefined) return undefined;
        const due = dues.filter(({ dueMs }) => dueMs > lastMs);
        for (const { id, event, dueMs } of due) {
          addJob({ id, lambda, trigger: 'timer', event, context: undefined, nowMs });
          fired.run(dueMs, lambda, name);
        }
        if (upToMs > lastMs) move.run(upToMs, lambda, name);
        return due.length;
      },
    },
    schedules: {
      reads: true,
      run: (_: object): ScheduleView[] => list.all() as ScheduleView[],
    },
    /** Whether this version of the lambda is known to have no schedules: then it need not be fetched to look. */
    isUnscheduled: {
      reads: true,
      run: ({ lambda, version }: { lambda: string; version: string }): boolean =>
        plain.get(lambda, version) !== undefined,
    },
    noteUnscheduled: {
      run({ lambda, version }: { lambda: string; version: string }): void {
        notePlain.run(lambda, version);
      },
    },
  };
}
