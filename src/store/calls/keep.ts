/** Writes calls, and forgets the oldest. */
import type { Database } from '../database.ts';
import { bytesOf, DAY_MS, type KeptCall, type Usage } from './kept-call.ts';

export interface KeepOrder {
  /** In the order in which they ended. */
  calls: readonly KeptCall[];
  usage: readonly Usage[];
}

export interface Bounds {
  keptMax: number;
  bytesMax: number;
}

/** Sums are kept a little longer than a year, so that the same month of last year can be looked at. */
const USAGE_KEPT_DAYS = 400;

/** Oldest calls that are looked at in one go, when there is no more room. */
const STEP = 100;

export function keepOp(database: Database, { keptMax, bytesMax }: Bounds) {
  const insert = database.prepare(`INSERT INTO calls (request_id, lambda, version, instance, cold, outcome, error_type,
    started_ms, duration_ms, queue_ms, init_ms, run_ms, cpu_ms, memory_bytes, event, event_bytes, result, result_bytes,
    output, output_cut, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const addUp = database.prepare(`INSERT INTO usage (day, lambda, memory_mb, calls, errors, cold, ms, ms_by_100,
      used_mb_ms, cpu_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors,
      cold = cold + excluded.cold, ms = ms + excluded.ms, ms_by_100 = ms_by_100 + excluded.ms_by_100,
      used_mb_ms = used_mb_ms + excluded.used_mb_ms, cpu_ms = cpu_ms + excluded.cpu_ms`);
  const surplus = database.prepare(`DELETE FROM calls WHERE lambda = ? AND id <=
    (SELECT id FROM calls WHERE lambda = ? ORDER BY id DESC LIMIT 1 OFFSET ?) RETURNING bytes`);
  const oldest = database.prepare('SELECT id, bytes FROM calls ORDER BY id LIMIT ?');
  const forgetUpTo = database.prepare('DELETE FROM calls WHERE id <= ?');
  const oldUsage = database.prepare('DELETE FROM usage WHERE day < ?');
  let bytes = database.prepare('SELECT coalesce(sum(bytes), 0) FROM calls').pluck().get() as number;

  /** As many as it takes until the others fit. */
  const forgetOldest = (): void => {
    while (bytes > bytesMax) {
      let last: number | undefined;
      for (const row of oldest.all(STEP) as { id: number; bytes: number }[]) {
        if (bytes <= bytesMax) break;
        bytes -= row.bytes;
        last = row.id;
      }
      if (last === undefined) return;
      forgetUpTo.run(last);
    }
  };
  const write = (call: KeptCall): void => {
    const size = bytesOf(call);
    insert.run(...valuesOf(call), size);
    bytes += size;
  };
  const forgetSurplus = (lambdas: Iterable<string>): void => {
    for (const lambda of lambdas) {
      for (const row of surplus.all(lambda, lambda, keptMax) as { bytes: number }[]) bytes -= row.bytes;
    }
    forgetOldest();
  };

  return {
    run({ calls, usage }: KeepOrder): void {
      for (const call of calls) write(call);
      forgetSurplus(new Set(calls.map(({ lambda }) => lambda)));
      for (const { day, lambda, memoryMb, calls: count, errors, cold, ms, msBy100, usedMbMs, cpuMs } of usage) {
        addUp.run(day, lambda, memoryMb, count, errors, cold, ms, msBy100, usedMbMs, cpuMs);
      }
      oldUsage.run(Math.floor(Date.now() / DAY_MS) - USAGE_KEPT_DAYS);
    },
  };
}

function valuesOf(call: KeptCall): unknown[] {
  return [
    call.requestId,
    call.lambda,
    call.version,
    call.instance,
    call.cold === null ? null : Number(call.cold),
    call.outcome,
    call.errorType,
    call.startedMs,
    call.durationMs,
    call.queueMs,
    call.initMs,
    call.runMs,
    call.cpuMs,
    call.memoryBytes,
    call.event,
    call.eventBytes,
    call.result,
    call.resultBytes,
    call.output,
    Number(call.outputCut),
  ];
}
