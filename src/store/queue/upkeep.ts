/** What goes by itself after a time, and what an operator does with dead letters and calls that wait. */
import type { Database } from '../database.ts';
import { DEAD_KEPT_MS, DONE_KEPT_MS, DONE_MAX, KEY_KEPT_MS, REMOVED_AT_A_TIME } from './limits.ts';
import type { QueueOptions } from './open.ts';
import type { JobState } from './views.ts';

/** Which of those in a state; all of them if neither is given. */
export interface Choice {
  id?: string | undefined;
  lambda?: string | undefined;
}

export interface Swept {
  /** Dead letters that had to go because there were too many. */
  deadDropped: number;
  /** There is more to remove. */
  more: boolean;
}

export function upkeepOps(database: Database, { deadMax, bytesMax }: Pick<QueueOptions, 'deadMax' | 'bytesMax'>) {
  return { ...sweepOps(database, { deadMax, bytesMax }), ...handOps(database) };
}

function sweepOps(database: Database, { deadMax, bytesMax }: { deadMax: number; bytesMax: number }) {
  const total = database.prepare('SELECT count, bytes FROM totals WHERE what = ?');
  const oldest = (state: JobState) =>
    database.prepare(`SELECT seq, since_ms, bytes FROM jobs WHERE state = '${state}' ORDER BY since_ms LIMIT ?`);
  const oldestOf = { done: oldest('done'), dead: oldest('dead') };
  const remove = database.prepare('DELETE FROM jobs WHERE seq = ?');
  const dropKeys = database.prepare(
    `DELETE FROM keys WHERE (lambda, key) IN
     (SELECT lambda, key FROM keys WHERE created_ms < ? ORDER BY created_ms LIMIT ${REMOVED_AT_A_TIME})`,
  );

  /** Removes the oldest as long as they are too old or there are too many. Returns how many went before their time. */
  function trim(state: 'done' | 'dead', most: { bornMs: number; count: number; bytes: number }) {
    let { count, bytes } = total.get(state) as { count: number; bytes: number };
    let removed = 0;
    let early = 0;
    for (const row of oldestOf[state].all(REMOVED_AT_A_TIME) as { seq: number; since_ms: number; bytes: number }[]) {
      const tooOld = row.since_ms < most.bornMs;
      if (!tooOld && count <= most.count && bytes <= most.bytes) break;
      remove.run(row.seq);
      count -= 1;
      bytes -= row.bytes;
      removed += 1;
      if (!tooOld) early += 1;
    }
    return { removed, early };
  }

  return {
    sweep: {
      run({ nowMs }: { nowMs: number }): Swept {
        const keys = dropKeys.run(nowMs - KEY_KEPT_MS).changes;
        const done = trim('done', {
          bornMs: nowMs - DONE_KEPT_MS,
          count: DONE_MAX,
          bytes: Number.POSITIVE_INFINITY,
        });
        const dead = trim('dead', { bornMs: nowMs - DEAD_KEPT_MS, count: deadMax, bytes: bytesMax });
        const more = [keys, done.removed, dead.removed].some((removed) => removed >= REMOVED_AT_A_TIME);
        return { deadDropped: dead.early, more };
      },
    },
  };
}

function handOps(database: Database) {
  const chosen = '(@id IS NULL OR id = @id) AND (@lambda IS NULL OR lambda = @lambda)';
  const redrive = database.prepare(
    `UPDATE jobs SET state = 'queued', attempts = 0, refusals = 0, losses = 0,
     created_ms = @nowMs, due_ms = @nowMs, since_ms = @nowMs WHERE state = 'dead' AND ${chosen}`,
  );
  const purge = database.prepare(`DELETE FROM jobs WHERE state = @state AND ${chosen}`);
  const valuesOf = ({ id, lambda }: Choice) => ({ id: id ?? null, lambda: lambda ?? null });

  return {
    /** Dead letters wait again, as if they had just come. Returns how many. */
    redrive: {
      run: (choice: Choice & { nowMs: number }): number =>
        redrive.run({ ...valuesOf(choice), nowMs: choice.nowMs }).changes,
    },
    /** Returns how many are gone for good. */
    purge: {
      run: (choice: Choice & { state: 'queued' | 'dead' | 'done' }): number =>
        purge.run({ ...valuesOf(choice), state: choice.state }).changes,
    },
  };
}
