import { expect, test } from 'vitest';
import { instanceTable, type Look, lambdaLoads, lambdaTable, workerTable } from '../../../src/cli/fleet-tables.ts';
import { mebibytes, shortAge } from '../../../src/cli/terminal.ts';
import type { Asked } from '../../../src/cluster/ask-fleet.ts';
import type { LambdaStatus, SandboxStatus, WorkerStatus } from '../../../src/cluster/ping.ts';

const MIB = 1_048_576;

function sandbox(lambda: string, instance: number, more: Partial<SandboxStatus> = {}): SandboxStatus {
  return { lambda, instance, engine: 'sock', state: 'idle', age_ms: 1_500, calls: 3, memory_bytes: 2 * MIB, ...more };
}

function counted(lambda: string, more: Partial<LambdaStatus> = {}): LambdaStatus {
  return { lambda, waiting: 0, calls: 0, errors: 0, cold_starts: 0, run_ms: 0, ...more };
}

function asked(index: number, status: WorkerStatus | string): Asked {
  const address = { host: '127.0.0.1', port: 8080 + index };
  const worker = {
    name: `worker-${index}`,
    index,
    state: { kind: 'running', pid: 100 + index } as const,
    address,
    graceMs: 0,
  };
  if (typeof status === 'string') return { worker, answer: { kind: 'silent', reason: status } };
  return { worker, answer: { kind: 'answer', httpStatus: 200, httpReason: 'OK', status } };
}

const look = (atMs: number, ...all: Asked[]): Look => ({ atMs, asked: all });

test('workers are told with what they carry, silent ones with why', () => {
  const status: WorkerStatus = {
    state: 'ready',
    pool: { waiting: 3, target: 4 },
    zygotes: 2,
    worker_memory_bytes: 90 * MIB,
    lambdas: [counted('a', { waiting: 2 }), counted('b', { waiting: 1 })],
    sandboxes: [sandbox('a', 0), sandbox('a', 1, { memory_bytes: null })],
  };
  expect(workerTable(look(0, asked(0, status), asked(1, 'nobody listens there'), asked(2, { state: 'old' })))).toEqual([
    'WORKER    PID  STATE                 INSTANCES  WAITING  POOL  ZYGOTES  MEMORY   OWN MEMORY',
    'worker-0  100  ready                 2          3        3/4   2        2.0 MiB  90.0 MiB',
    'worker-1  101  nobody listens there  -          -        -     -        -        -',
    'worker-2  102  old                   0          0        -     -        0.0 MiB  -',
  ]);
});

test('instances are told by lambda, worker and number', () => {
  const one = asked(0, { sandboxes: [sandbox('b', 10), sandbox('b', 2, { state: 'busy' })] });
  const two = asked(1, { sandboxes: [sandbox('a', 0, { memory_bytes: null, age_ms: 7_200_000 })] });
  expect(instanceTable(look(0, one, two))).toEqual([
    'LAMBDA  INSTANCE  WORKER    STATE  AGE  CALLS  MEMORY',
    'a       0         worker-1  idle   2h   3      -',
    'b       2         worker-0  busy   1s   3      2.0 MiB',
    'b       10        worker-0  idle   1s   3      2.0 MiB',
  ]);
});

test('rates are of all workers together, since the look before, the busiest lambda first', () => {
  const before = look(
    1_000,
    asked(0, { lambdas: [counted('a', { calls: 10, errors: 1, run_ms: 100 }), counted('b')] }),
    asked(1, { lambdas: [counted('a', { calls: 5 })] }),
  );
  const now = look(
    3_000,
    asked(0, {
      lambdas: [counted('a', { calls: 14, errors: 2, run_ms: 130, waiting: 1 }), counted('b')],
      sandboxes: [sandbox('a', 0, { state: 'busy' }), sandbox('a', 1, { state: 'paused' }), sandbox('b', 0)],
    }),
    asked(1, { lambdas: [counted('a', { calls: 7, cold_starts: 1 }), counted('c', { calls: 20 })] }),
  );
  const loads = lambdaLoads(now, before);
  expect(loads.map(({ lambda, calls_per_second }) => [lambda, calls_per_second])).toEqual([
    ['c', 10],
    ['a', 3],
    ['b', 0],
  ]);
  expect(loads[1]).toEqual({
    lambda: 'a',
    calls_per_second: 3,
    errors_per_second: 0.5,
    cold_per_second: 0.5,
    run_ms: 5,
    waiting: 1,
    busy: 1,
    idle: 0,
    paused: 1,
    starting: 0,
    memory_bytes: 4 * MIB,
  });
  expect(lambdaTable(loads)[2]).toBe('a       3.0      0.5       0.5     5.0     1        1     0     1       4.0 MiB');
});

test('without a look before there are no rates, and a worker that was started again counts from 0', () => {
  const now = look(2_000, asked(0, { lambdas: [counted('a', { calls: 4 })] }));
  expect(lambdaLoads(now, undefined)[0]).toMatchObject({ calls_per_second: null, run_ms: null });
  expect(lambdaTable(lambdaLoads(now, undefined))[1]).toMatch(/^a +- +- +- +- +0/);
  const before = look(1_000, asked(0, { lambdas: [counted('a', { calls: 100 })] }));
  expect(lambdaLoads(now, before)[0]).toMatchObject({ calls_per_second: 4 });
});

test('ages and sizes are short', () => {
  expect([0, 999, 1_000, 59_999, 60_000, 3_600_000, 90_000_000].map(shortAge)).toEqual([
    '0.0s',
    '1.0s',
    '1s',
    '59s',
    '1m',
    '1h',
    '1d',
  ]);
  expect([0, 1.5 * MIB, null, undefined].map(mebibytes)).toEqual(['0.0 MiB', '1.5 MiB', '-', '-']);
});
