import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BODY_BYTES_MAX, KeptCalls, type KeptCallsOptions } from '../../../src/compose/kept-calls.ts';
import { parseLambdaSpec, WIDEST_TERMS } from '../../../src/config/lambda-spec.ts';
import type { LambdaName } from '../../../src/registry/source.ts';
import type { KeepOrder } from '../../../src/store/calls/keep.ts';
import type { CallRecord } from '../../../src/worker/call-record.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const START = { lambda: 'hello', version: 'd1', instance: 3, requestId: 'r1' };
const RUN = {
  memoryMb: 256,
  instance: 3,
  version: 'd1',
  cold: false,
  queueMs: 0,
  initMs: 0,
  runMs: 4.2,
  memoryBytes: 9 << 20,
  cpuMs: 4,
};

function record(more: Partial<CallRecord> = {}): CallRecord {
  return {
    lambda: 'hello' as LambdaName,
    trigger: 'http',
    requestId: 'r1',
    startedMs: 1_000,
    durationMs: 5,
    outcome: 'result',
    errorType: undefined,
    run: RUN,
    event: Buffer.from('{"a": 1}'),
    body: Buffer.from('"b"'),
    config: parseLambdaSpec(undefined, WIDEST_TERMS),
    ...more,
  };
}

function started({ keptMax = 10, fails = [] as boolean[] } = {}) {
  const orders: KeepOrder[] = [];
  const logged: string[] = [];
  const store = {
    async ask(_op: string, order: KeepOrder): Promise<void> {
      if (fails.shift()) throw new Error('no room');
      orders.push(order);
    },
    close: async () => undefined,
  };
  const calls = new KeptCalls({
    store: store as unknown as KeptCallsOptions['store'],
    keptMax,
    log: (_level, words) => void logged.push(words),
  });
  return { calls, orders, logged };
}

test('what was noted in a second is written at once, as it was though the buffers go on being used', async () => {
  const { calls, orders } = started();
  const event = Buffer.from('{"a": 1}');
  calls.onStart(START);
  calls.onOutput({ ...START, stream: 'stdout', bytes: Buffer.from('one\n'), cut: false });
  calls.onOutput({ ...START, stream: 'stderr', bytes: Buffer.from('two\n'), cut: true });
  calls.onCall(record({ event }));
  event.fill('x');
  calls.onCall(record({ requestId: 'r2' }));
  expect(orders).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(orders).toHaveLength(1);
  const [first, second] = orders[0]!.calls;
  expect(Buffer.from(first!.event!).toString()).toBe('{"a": 1}');
  expect(Buffer.from(first!.output!).toString()).toBe('one\ntwo\n');
  expect(first).toMatchObject({ requestId: 'r1', outputCut: true, resultBytes: 3 });
  expect(second).toMatchObject({ requestId: 'r2', output: null, outputCut: false });
  expect(orders[0]!.usage).toMatchObject([{ lambda: 'hello', calls: 2, ms: 10, msBy100: 200, memoryMb: 256 }]);
});

test('output is the call’s whose instance printed it, not that of another with the same request id', async () => {
  const { calls, orders } = started();
  calls.onStart(START);
  calls.onStart({ ...START, instance: 4 });
  calls.onOutput({ ...START, instance: 4, stream: 'stdout', bytes: Buffer.from('four'), cut: false });
  calls.onOutput({ ...START, requestId: 'before', stream: 'stdout', bytes: Buffer.from('late'), cut: false });
  calls.onCall(record());
  calls.onCall(record({ run: { ...RUN, instance: 4 } }));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(orders[0]!.calls.map(({ output }) => output && Buffer.from(output).toString())).toEqual([null, 'four']);
});

test('of a lambda that is called more often than is kept, the last calls are, and all are counted', async () => {
  const { calls, orders } = started({ keptMax: 3 });
  for (let at = 0; at < 100; at += 1) calls.onCall(record({ requestId: `r${at}` }));
  calls.onCall(record({ requestId: 'other', lambda: 'other' as LambdaName }));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(orders[0]!.calls.map(({ requestId }) => requestId)).toEqual(['r97', 'r98', 'r99', 'other']);
  expect(orders[0]!.usage).toMatchObject([
    { lambda: 'hello', calls: 100 },
    { lambda: 'other', calls: 1 },
  ]);
});

test('of calls that come faster than they are written the last are kept, and those of others', async () => {
  const { calls, orders } = started({ keptMax: 10_000 });
  const event = Buffer.alloc(BODY_BYTES_MAX);
  calls.onCall(record({ requestId: 'other', lambda: 'other' as LambdaName }));
  for (let at = 0; at < 1_000; at += 1) calls.onCall(record({ requestId: `r${at}`, event }));
  await vi.advanceTimersByTimeAsync(1_000);
  const kept = orders[0]!.calls.map(({ requestId }) => requestId);
  expect(kept[0]).toBe('other');
  expect(kept.at(-1)).toBe('r999');
  expect(kept.length).toBeGreaterThan(200);
  expect(kept.length).toBeLessThan(300);
  expect(orders[0]!.usage[1]).toMatchObject({ lambda: 'hello', calls: 1_000 });
});

test('a lambda that does not want it is not kept, and neither is a call of none', async () => {
  const { calls, orders } = started();
  calls.onCall(record({ config: parseLambdaSpec('{"keep_calls": false}', WIDEST_TERMS) }));
  calls.onCall(record({ config: undefined, errorType: 'Lambda.NotFound', run: undefined }));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(orders).toEqual([]);
});

test('long events, results and outputs are not kept, but their lengths are', async () => {
  const { calls, orders } = started();
  const long = Buffer.alloc(BODY_BYTES_MAX + 1, 'x');
  calls.onStart(START);
  calls.onOutput({ ...START, stream: 'stdout', bytes: long, cut: false });
  calls.onCall(record({ event: long, body: long }));
  await vi.advanceTimersByTimeAsync(1_000);
  const [call] = orders[0]!.calls;
  expect(call).toMatchObject({ event: null, eventBytes: long.length, result: null, resultBytes: long.length });
  expect(call!.output).toHaveLength(BODY_BYTES_MAX);
  expect(call!.outputCut).toBe(true);
});

test('what can not be written is said once, and once again when it can', async () => {
  const { calls, orders, logged } = started({ fails: [true, true] });
  for (let second = 0; second < 3; second += 1) {
    calls.onCall(record({ requestId: `r${second}` }));
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(orders.flatMap((order) => order.calls.map(({ requestId }) => requestId))).toEqual(['r2']);
  expect(logged).toEqual(['calls are not kept: they can not be written', 'calls are kept again']);
});

test('the end writes what was noted', async () => {
  const { calls, orders } = started();
  calls.onCall(record());
  await calls.close();
  expect(orders).toHaveLength(1);
});
