/** What the workers of a cluster say of themselves, as tables for people. Pure. */
import type { Asked } from '../cluster/ask-fleet.ts';
import type { LambdaStatus, SandboxStatus, WorkerStatus } from '../cluster/ping.ts';
import { columns, mebibytes, shortAge } from './terminal.ts';

/** A look at a cluster: who answered what, and when. */
export interface Look {
  asked: readonly Asked[];
  /** Monotonic. */
  atMs: number;
}

/** One line for each worker, `-` where it does not say. */
export function workerTable({ asked }: Look): string[] {
  const head = ['WORKER', 'PID', 'STATE', 'INSTANCES', 'WAITING', 'POOL', 'ZYGOTES', 'MEMORY', 'OWN MEMORY'];
  const rows = asked.map(({ worker, answer }) => {
    const pid = worker.state.kind === 'running' ? String(worker.state.pid) : '-';
    if (answer.kind === 'silent') return [worker.name, pid, answer.reason, ...Array<string>(6).fill('-')];
    const { state = '-', sandboxes = [], lambdas = [], pool, zygotes, worker_memory_bytes } = answer.status;
    return [
      worker.name,
      pid,
      state,
      String(sandboxes.length),
      String(sum(lambdas.map(({ waiting }) => waiting))),
      pool === undefined ? '-' : `${pool.waiting}/${pool.target}`,
      String(zygotes ?? '-'),
      mebibytes(sum(sandboxes.map(({ memory_bytes }) => memory_bytes ?? 0))),
      mebibytes(worker_memory_bytes),
    ];
  });
  return columns([head, ...rows]);
}

/** One line for each instance, in the order of lambdas, workers and numbers. */
export function instanceTable({ asked }: Look): string[] {
  const rows = asked.flatMap(({ worker, answer }) =>
    statusOf(answer).sandboxes.map((sandbox) => ({ worker: worker.name, sandbox })),
  );
  rows.sort(
    (a, b) =>
      compare(a.sandbox.lambda, b.sandbox.lambda) ||
      compare(a.worker, b.worker) ||
      a.sandbox.instance - b.sandbox.instance,
  );
  const head = ['LAMBDA', 'INSTANCE', 'WORKER', 'STATE', 'AGE', 'CALLS', 'MEMORY'];
  return columns([head, ...rows.map(({ worker, sandbox }) => instanceRow(worker, sandbox))]);
}

function instanceRow(
  worker: string,
  { lambda, instance, state, age_ms, calls, memory_bytes }: SandboxStatus,
): string[] {
  const age = age_ms === undefined ? '-' : shortAge(age_ms);
  return [lambda, String(instance), worker, state, age, String(calls ?? '-'), mebibytes(memory_bytes)];
}

/** What one lambda does on all workers together. */
export interface LambdaLoad {
  lambda: string;
  /** Calls and errors per second since the look before; null if there was none. */
  calls_per_second: number | null;
  errors_per_second: number | null;
  /** Cold starts and the handler's mean time in milliseconds, over the calls since then; null if there were none. */
  cold_per_second: number | null;
  run_ms: number | null;
  waiting: number;
  /** Instances by state. */
  busy: number;
  idle: number;
  paused: number;
  starting: number;
  memory_bytes: number;
}

/** The busiest first. */
export function lambdaLoads(now: Look, before: Look | undefined): LambdaLoad[] {
  const counts = countsOf(now);
  const then = before === undefined ? undefined : countsOf(before);
  const seconds = before === undefined ? Number.NaN : (now.atMs - before.atMs) / 1_000;
  const sandboxes = now.asked.flatMap(({ answer }) => statusOf(answer).sandboxes);
  const loads = [...counts].map(([lambda, count]): LambdaLoad => {
    const grown = then === undefined ? undefined : growth(count, then.get(lambda));
    const own = sandboxes.filter((sandbox) => sandbox.lambda === lambda);
    const inState = (state: string) => own.filter((sandbox) => sandbox.state === state).length;
    return {
      lambda,
      calls_per_second: grown === undefined ? null : grown.calls / seconds,
      errors_per_second: grown === undefined ? null : grown.errors / seconds,
      cold_per_second: grown === undefined ? null : grown.cold_starts / seconds,
      run_ms: grown === undefined || grown.calls === 0 ? null : grown.run_ms / grown.calls,
      waiting: count.waiting,
      busy: inState('busy'),
      idle: inState('idle'),
      paused: inState('paused'),
      starting: inState('starting'),
      memory_bytes: sum(own.map(({ memory_bytes }) => memory_bytes ?? 0)),
    };
  });
  return loads.sort(
    (a, b) =>
      (b.calls_per_second ?? 0) - (a.calls_per_second ?? 0) ||
      b.memory_bytes - a.memory_bytes ||
      compare(a.lambda, b.lambda),
  );
}

export function lambdaTable(loads: readonly LambdaLoad[]): string[] {
  const head = ['LAMBDA', 'CALLS/S', 'ERRORS/S', 'COLD/S', 'RUN MS', 'WAITING', 'BUSY', 'IDLE', 'PAUSED', 'MEMORY'];
  const rows = loads.map((load) => [
    load.lambda,
    decimal(load.calls_per_second),
    decimal(load.errors_per_second),
    decimal(load.cold_per_second),
    decimal(load.run_ms),
    String(load.waiting),
    String(load.busy + load.starting),
    String(load.idle),
    String(load.paused),
    mebibytes(load.memory_bytes),
  ]);
  return columns([head, ...rows]);
}

/** Sums over all workers, by lambda. */
function countsOf({ asked }: Look): Map<string, LambdaStatus> {
  const counts = new Map<string, LambdaStatus>();
  for (const one of asked.flatMap(({ answer }) => statusOf(answer).lambdas)) {
    const known = counts.get(one.lambda);
    if (known === undefined) counts.set(one.lambda, { ...one });
    else for (const key of COUNTS) known[key] += one[key];
  }
  return counts;
}

const COUNTS = ['waiting', 'calls', 'errors', 'cold_starts', 'run_ms'] as const;

/** A worker that was started again counts from 0. */
function growth(now: LambdaStatus, then: LambdaStatus | undefined): LambdaStatus {
  const grown = { ...now };
  if (then === undefined) return grown;
  for (const key of COUNTS) grown[key] = now[key] >= then[key] ? now[key] - then[key] : now[key];
  return grown;
}

function statusOf(answer: Asked['answer']): Required<Pick<WorkerStatus, 'lambdas' | 'sandboxes'>> {
  const { lambdas = [], sandboxes = [] } = answer.kind === 'answer' ? answer.status : {};
  return { lambdas, sandboxes };
}

function decimal(value: number | null): string {
  return value === null ? '-' : value.toFixed(1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function compare(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
