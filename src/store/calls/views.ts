/** Kept calls, for those who look at them. */
import type { Database } from '../database.ts';
import type { KeptCall, Usage } from './kept-call.ts';

/** Without its bodies. */
export type ListedCall = Omit<KeptCall, 'event' | 'result' | 'output' | 'outputCut'>;

export interface ListWish {
  lambda?: string | undefined;
  /** Only what began then or later: Unix time in milliseconds. */
  sinceMs?: number | undefined;
  failedOnly?: boolean;
  limit: number;
}

const FACTS = `request_id AS requestId, lambda, version, instance, cold, outcome, error_type AS errorType,
  started_ms AS startedMs, duration_ms AS durationMs, queue_ms AS queueMs, init_ms AS initMs, run_ms AS runMs,
  cpu_ms AS cpuMs, memory_bytes AS memoryBytes, event_bytes AS eventBytes, result_bytes AS resultBytes`;

/** The newest first. */
export function listCalls(database: Database, { lambda, sinceMs, failedOnly, limit }: ListWish): ListedCall[] {
  const conditions = [
    'started_ms >= ?',
    ...(lambda ? ['lambda = ?'] : []),
    ...(failedOnly ? ["outcome <> 'result'"] : []),
  ];
  const values = [sinceMs ?? 0, ...(lambda ? [lambda] : []), limit];
  const sql = `SELECT ${FACTS} FROM calls WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT ?`;
  return (database.prepare(sql).all(...values) as ListedCall[]).map(typed);
}

/** Of the ids that begin so, the newest ten. */
export function findCalls(database: Database, idPrefix: string): KeptCall[] {
  const sql = `SELECT ${FACTS}, event, result, output, output_cut AS outputCut FROM calls
    WHERE request_id >= ? AND request_id < ? ORDER BY id DESC LIMIT 10`;
  const rows = database.prepare(sql).all(idPrefix, `${idPrefix}\u{10ffff}`) as KeptCall[];
  return rows.map((row) => ({ ...typed(row), outputCut: Boolean(row.outputCut) }));
}

/** Digests of the code that its calls ran on and that begin so. */
export function versionsOf(database: Database, lambda: string, begin: string): string[] {
  const sql = 'SELECT DISTINCT version FROM calls WHERE lambda = ? AND version >= ? AND version < ? ORDER BY version';
  const rows = database.prepare(sql).all(lambda, begin, `${begin}g`) as { version: string }[];
  return rows.map(({ version }) => version);
}

/** Sums since a day (days since 1970, UTC), by lambda and memory. */
export function usageSince(database: Database, day: number): Omit<Usage, 'day'>[] {
  const sql = `SELECT lambda, memory_mb AS memoryMb, sum(calls) AS calls, sum(errors) AS errors, sum(cold) AS cold,
    sum(ms) AS ms, sum(ms_by_100) AS msBy100, sum(used_mb_ms) AS usedMbMs, sum(cpu_ms) AS cpuMs
    FROM usage WHERE day >= ? GROUP BY lambda, memory_mb ORDER BY lambda, memory_mb`;
  return database.prepare(sql).all(day) as Omit<Usage, 'day'>[];
}

/** SQLite has no booleans. */
function typed<Row extends ListedCall>(row: Row): Row {
  return { ...row, cold: row.cold === null ? null : Boolean(row.cold) };
}
