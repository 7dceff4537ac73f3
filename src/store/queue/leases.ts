/** Who runs what: jobs are taken for a session, and come back from it with their outcome, or without. */
import type { Database } from '../database.ts';
import { ERROR_MESSAGE_MAX, LOSSES_MAX, TAKEN_BYTES_MAX } from './limits.ts';

export interface TakeOrder {
  session: string;
  /** How many jobs of all lambdas may be taken. */
  total: number;
  /** How many of one lambda; `otherRoom` for those that are not named. */
  rooms: ReadonlyMap<string, number>;
  otherRoom: number;
  nowMs: number;
}

export interface TakenJob {
  seq: number;
  id: string;
  lambda: string;
  trigger: string;
  attempts: number;
  refusals: number;
  createdMs: number;
  context: string | null;
  event: Uint8Array;
}

export interface Taken {
  jobs: TakenJob[];
  /** When the next of those that wait for their time is due; undefined if there is none. */
  nextDueMs: number | undefined;
}

export interface JobError {
  errorType: string;
  errorMessage: string;
}

/** What becomes of a job after a run. */
export type Settlement =
  | { kind: 'done' }
  /** Its lambda failed: another attempt. */
  | { kind: 'retry'; dueMs: number; error: JobError }
  /** It was not run. */
  | { kind: 'refused'; dueMs: number; error: JobError }
  /** It was cut off, or given back: it runs again at once. */
  | { kind: 'lost' }
  | { kind: 'released' }
  | { kind: 'dead'; error: JobError };

export interface SettleOrder {
  seq: number;
  session: string;
  settlement: Settlement;
  nowMs: number;
}

export interface SessionView {
  session: string;
  beat: number;
}

const WAITING_LAMBDAS = `
  WITH RECURSIVE names (name) AS (
    SELECT min(lambda) FROM jobs WHERE state = 'queued'
    UNION ALL
    SELECT (SELECT min(lambda) FROM jobs WHERE state = 'queued' AND lambda > name) FROM names WHERE name IS NOT NULL
  )
  SELECT name FROM names WHERE name IS NOT NULL`;

export function leaseOps(database: Database) {
  return { ...takeOps(database), ...settleOps(database), ...sessionOps(database) };
}

function takeOps(database: Database) {
  const waiting = database.prepare(WAITING_LAMBDAS).pluck();
  const due = database.prepare(
    `SELECT seq, id, lambda, trigger_kind AS "trigger", bytes, attempts, refusals, created_ms AS createdMs, context
     FROM jobs WHERE state = 'queued' AND lambda = ? AND due_ms <= ? ORDER BY due_ms, seq LIMIT ?`,
  );
  const nextDue = database
    .prepare("SELECT min(due_ms) FROM jobs WHERE state = 'queued' AND lambda = ? AND due_ms > ?")
    .pluck();
  const lease = database.prepare("UPDATE jobs SET state = 'running', session = ?, since_ms = ? WHERE seq = ?");
  const event = database.prepare('SELECT body FROM events WHERE seq = ?').pluck();
  const beat = database.prepare('UPDATE sessions SET beat = beat + 1 WHERE session = ?');
  /** Whose turn it was last: the next take begins after it. */
  let last = '';

  return {
    take: {
      run({ session, total, rooms, otherRoom, nowMs }: TakeOrder): Taken {
        const jobs: TakenJob[] = [];
        let nextDueMs: number | undefined;
        let bytes = 0;
        for (const lambda of inTurn(waiting.all() as string[], last)) {
          const next = nextDue.get(lambda, nowMs) as number | null;
          if (next !== null) nextDueMs = Math.min(next, nextDueMs ?? next);
          const room = Math.min(rooms.get(lambda) ?? otherRoom, total - jobs.length);
          if (room <= 0) continue;
          for (const row of due.all(lambda, nowMs, room) as (Omit<TakenJob, 'event'> & { bytes: number })[]) {
            if (jobs.length > 0 && bytes + row.bytes > TAKEN_BYTES_MAX) break;
            bytes += row.bytes;
            lease.run(session, nowMs, row.seq);
            const { bytes: _, ...job } = row;
            jobs.push({ ...job, event: event.get(row.seq) as Uint8Array });
            last = lambda;
          }
        }
        if (jobs.length > 0) beat.run(session);
        return { jobs, nextDueMs };
      },
    },
  };
}

/** The names after `last`, then those before it. */
function inTurn(names: readonly string[], last: string): string[] {
  const at = names.findIndex((name) => name > last);
  return at <= 0 ? [...names] : [...names.slice(at), ...names.slice(0, at)];
}

function settleOps(database: Database) {
  const ours = "WHERE seq = @seq AND state = 'running' AND session = @session";
  const end = database.prepare(
    `UPDATE jobs SET state = @state, since_ms = @nowMs, session = NULL, attempts = attempts + @attempts,
     error_type = @errorType, error_message = @errorMessage ${ours}`,
  );
  const again = database.prepare(
    `UPDATE jobs SET state = 'queued', since_ms = @nowMs, due_ms = @dueMs, session = NULL,
     attempts = attempts + @attempts, refusals = refusals + @refusals, losses = losses + @losses,
     error_type = coalesce(@errorType, error_type), error_message = coalesce(@errorMessage, error_message) ${ours}`,
  );
  const dropEvent = database.prepare('DELETE FROM events WHERE seq = ?');

  return {
    settle: {
      /** False if the job is not the session's any more: others took the session for dead. */
      run({ seq, session, settlement, nowMs }: SettleOrder): boolean {
        const error = 'error' in settlement ? settlement.error : undefined;
        const { kind } = settlement;
        const common = {
          seq,
          session,
          nowMs,
          attempts: kind === 'retry' || kind === 'dead' || kind === 'done' ? 1 : 0,
          errorType: error?.errorType ?? null,
          errorMessage: error?.errorMessage.slice(0, ERROR_MESSAGE_MAX) ?? null,
        };
        if (kind === 'done' || kind === 'dead') {
          const { changes } = end.run({ ...common, state: kind });
          if (changes > 0 && kind === 'done') dropEvent.run(seq);
          return changes > 0;
        }
        const dueMs = 'dueMs' in settlement ? settlement.dueMs : nowMs;
        const refusals = kind === 'refused' ? 1 : 0;
        const losses = kind === 'lost' ? 1 : 0;
        return again.run({ ...common, dueMs, refusals, losses }).changes > 0;
      },
    },
  };
}

function sessionOps(database: Database) {
  const enter = database.prepare(
    'INSERT INTO sessions (session, worker, beat) VALUES (?, ?, 0) ON CONFLICT DO NOTHING',
  );
  const leave = database.prepare('DELETE FROM sessions WHERE session = ?');
  const predecessors = database.prepare('SELECT session FROM sessions WHERE worker = ? AND session <> ?').pluck();
  const beat = database.prepare('UPDATE sessions SET beat = beat + 1 WHERE session = ?');
  const running = database.prepare(
    `SELECT session, coalesce((SELECT beat FROM sessions WHERE sessions.session = jobs.session), -1) AS beat
     FROM jobs WHERE state = 'running' GROUP BY session`,
  );
  const lose = database.prepare(
    `UPDATE jobs SET state = CASE WHEN losses < ${LOSSES_MAX} THEN 'queued' ELSE 'dead' END,
     losses = losses + 1, session = NULL, since_ms = @nowMs, due_ms = @nowMs,
     error_type = 'Worker.Lost', error_message = 'The worker ended during the call.'
     WHERE state = 'running' AND session = @session`,
  );
  const clockBack = database.prepare(
    "UPDATE jobs SET due_ms = @nowMs, since_ms = @nowMs WHERE state = 'queued' AND since_ms > @nowMs + 1000",
  );

  /** How many jobs came back. */
  function reclaim(sessions: readonly string[], nowMs: number): number {
    let jobs = 0;
    for (const session of sessions) {
      jobs += lose.run({ session, nowMs }).changes;
      leave.run(session);
    }
    return jobs;
  }

  return {
    /** A worker begins, or finds another file in place of the one in which it had begun. What an earlier life of it left running comes back: the two can not live at the same time. */
    enter: {
      run({ session, worker, nowMs }: { session: string; worker: string; nowMs: number }): { reclaimed: number } {
        const reclaimed = reclaim(predecessors.all(worker, session) as string[], nowMs);
        enter.run(session, worker);
        return { reclaimed };
      },
    },
    leave: {
      run({ session, nowMs }: { session: string; nowMs: number }): void {
        reclaim([session], nowMs);
      },
    },
    beat: {
      run({ session }: { session: string }): void {
        beat.run(session);
      },
    },
    /** Sessions that have jobs, and how often they have beaten. */
    running: {
      reads: true,
      run: (_: object): SessionView[] => running.all() as SessionView[],
    },
    reclaim: {
      run: ({ sessions, nowMs }: { sessions: readonly string[]; nowMs: number }): number => reclaim(sessions, nowMs),
    },
    /** What was put off by a clock that has been set back since is due now. Returns how much. */
    mendClock: {
      run: ({ nowMs }: { nowMs: number }): number => clockBack.run({ nowMs }).changes,
    },
  };
}
