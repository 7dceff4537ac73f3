/** What the queue holds, for those who ask. */
import type { Database } from '../database.ts';

export const JOB_STATES = ['queued', 'running', 'done', 'dead'] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobView {
  id: string;
  lambda: string;
  state: JobState;
  trigger: string;
  bytes: number;
  attempts: number;
  createdMs: number;
  /** While it is queued: when it will run, if there is an instance then. */
  dueMs: number;
  /** When it came into its state. */
  sinceMs: number;
  /** Of its last run that failed; null if none has. */
  errorType: string | null;
  errorMessage: string | null;
}

export interface Total {
  count: number;
  bytes: number;
}

export interface QueueTotals extends Readonly<Record<JobState, Total>> {
  /** Null if none waits. */
  oldestMs: number | null;
}

export interface ListOrder {
  state: JobState;
  /** Of one lambda only. */
  lambda?: string | undefined;
  limit: number;
}

const COLUMNS = `id, lambda, state, trigger_kind AS "trigger", bytes, attempts, created_ms AS createdMs,
  due_ms AS dueMs, since_ms AS sinceMs, error_type AS errorType, error_message AS errorMessage`;

export function viewOps(database: Database) {
  const one = database.prepare(`SELECT ${COLUMNS} FROM jobs WHERE id = ?`);
  const totals = database.prepare("SELECT what, count, bytes FROM totals WHERE what <> 'keys'");
  const oldest = database.prepare("SELECT min(created_ms) FROM jobs WHERE state = 'queued'").pluck();
  const listOf = (condition: string) =>
    database.prepare(`SELECT ${COLUMNS} FROM jobs WHERE state = ? ${condition} ORDER BY seq LIMIT ?`);
  const all = listOf('');
  const ofLambda = listOf('AND lambda = ?');
  const event = database.prepare('SELECT body FROM events WHERE seq = (SELECT seq FROM jobs WHERE id = ?)').pluck();

  return {
    look: {
      reads: true,
      run: ({ id }: { id: string }): JobView | undefined => one.get(id) as JobView | undefined,
    },
    /** The event of a call that is not done. */
    event: {
      reads: true,
      run: ({ id }: { id: string }): Uint8Array | undefined => event.get(id) as Uint8Array | undefined,
    },
    totals: {
      reads: true,
      run(_: object): QueueTotals {
        const rows = (totals.all() as (Total & { what: JobState })[]).map(({ what, ...total }) => [what, total]);
        return { ...Object.fromEntries(rows), oldestMs: oldest.get() as number | null };
      },
    },
    /** The oldest first. */
    list: {
      reads: true,
      run({ state, lambda, limit }: ListOrder): JobView[] {
        const rows = lambda === undefined ? all.all(state, limit) : ofLambda.all(state, lambda, limit);
        return rows as JobView[];
      },
    },
  };
}
