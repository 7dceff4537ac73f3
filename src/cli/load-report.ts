/** What `admin bench` has measured, for people and as JSON. Pure. */
import type { LoadResult, Served } from '../cluster/open-loop.ts';
import { columns } from './terminal.ts';

/** Of some times in milliseconds; to the microsecond. */
export interface Percentiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

export interface LoadFacts {
  sent: number;
  served: number;
  failed: Readonly<Record<string, number>>;
  /** Not sent: too many were under way. */
  unsent: number;
  seconds: number;
  served_per_second: number;
  /** Whole calls, as their caller sees them. */
  latency_ms: { all?: Percentiles; warm?: Percentiles; cold?: Percentiles };
  /** The worker's own times. */
  parts_ms: Readonly<Record<string, Percentiles>>;
  /** How late calls were sent. */
  sent_late_ms?: Percentiles;
}

const PARTS = ['queue', 'init', 'run'];

export function loadFacts({ served, failed, unsent, lateMs, tookMs }: LoadResult): LoadFacts {
  const seconds = tookMs / 1_000;
  const tookOf = (calls: readonly Served[]) => percentiles(calls.map((call) => call.tookMs));
  const partsMs: Record<string, Percentiles> = {};
  for (const name of PARTS) {
    const times = percentiles(served.flatMap((call) => call.parts[name] ?? []));
    if (times !== undefined) partsMs[name] = times;
  }
  return {
    sent: lateMs.length,
    served: served.length,
    failed: Object.fromEntries(failed),
    unsent,
    seconds: round(seconds),
    served_per_second: round(served.length / seconds),
    latency_ms: defined({
      all: tookOf(served),
      warm: tookOf(served.filter(({ cold }) => !cold)),
      cold: tookOf(served.filter(({ cold }) => cold)),
    }),
    parts_ms: partsMs,
    ...defined({ sent_late_ms: percentiles(lateMs) }),
  };
}

/** Undefined of nothing. The nearest rank: each is a time that was measured. */
export function percentiles(times: readonly number[]): Percentiles | undefined {
  if (times.length === 0) return undefined;
  const sorted = Float64Array.from(times).sort();
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number);
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

export function loadReport(facts: LoadFacts): string[] {
  const { sent, served, failed, unsent, seconds, served_per_second, latency_ms, parts_ms, sent_late_ms } = facts;
  const head = ['MILLISECONDS', 'CALLS', 'P50', 'P90', 'P99', 'MAX'];
  const rows = Object.entries({ ...latency_ms, ...prefixed(parts_ms) }).map(([name, times]) => rowOf(name, times));
  const failures = Object.entries(failed).map(([why, count]) => `  ${count} x ${why}`);
  return [
    `${sent} calls sent in ${seconds} s, ${served} answered: ${served_per_second} per second`,
    ...(failures.length === 0 ? [] : ['failed:', ...failures]),
    ...(unsent === 0 ? [] : [`${unsent} not sent, because too many were under way (--open)`]),
    ...(rows.length === 0 ? [] : ['', ...columns([head, ...rows])]),
    ...lateNote(sent_late_ms),
  ];
}

/** More than this, and the figures tell about this program. */
const LATE_MS = 5;

function lateNote(late: Percentiles | undefined): string[] {
  if (late === undefined || late.p99 <= LATE_MS) return [];
  return ['', `1 in 100 calls was sent ${late.p99} ms late or more: this machine is too busy for that rate`];
}

function rowOf(name: string, { count, p50, p90, p99, max }: Percentiles): string[] {
  return [name, ...[count, p50, p90, p99, max].map(String)];
}

function prefixed(parts: Readonly<Record<string, Percentiles>>): Record<string, Percentiles> {
  return Object.fromEntries(Object.entries(parts).map(([name, times]) => [`  ${name}`, times]));
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
