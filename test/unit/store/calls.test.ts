import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DAY_MS, type KeptCall, usageOf } from '../../../src/store/calls/kept-call.ts';
import { openCalls, readCalls } from '../../../src/store/calls/open.ts';
import { OFFERS } from '../../../src/store/calls/prices.ts';
import { findCalls, listCalls, usageSince } from '../../../src/store/calls/views.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'isla-unit-'));
  path = join(dir, 'worker-0.calls');
});
afterEach(() => rmSync(dir, { recursive: true }));

function call(more: Partial<KeptCall> = {}): KeptCall {
  return {
    requestId: 'r1',
    lambda: 'hello',
    version: 'd1',
    instance: 3,
    cold: true,
    outcome: 'result',
    errorType: null,
    startedMs: 1_000,
    durationMs: 5.5,
    queueMs: 0.1,
    initMs: 2,
    runMs: 3.2,
    cpuMs: 3,
    memoryBytes: 9 << 20,
    event: Buffer.from('{"a": 1}'),
    eventBytes: 8,
    result: Buffer.from('"b"'),
    resultBytes: 3,
    output: Buffer.from('hi\n'),
    outputCut: false,
    ...more,
  };
}

const many = (count: number, more: Partial<KeptCall> = {}, from = 0) =>
  Array.from({ length: count }, (_, at) => call({ ...more, requestId: `${more.lambda ?? 'r'}-${from + at}` }));

async function kept(bounds: { keptMax?: number; bytesMax?: number }, ...orders: KeptCall[][]) {
  const { database, ops } = await openCalls({ path, keptMax: 1_000, bytesMax: 1 << 30, ...bounds });
  for (const calls of orders) ops.keep.run({ calls, usage: [] });
  database.close();
  return readCalls(path);
}

test('what is kept comes back as it was, for its owner only', async () => {
  const bare = call({
    requestId: 'r2',
    version: null,
    instance: null,
    cold: null,
    outcome: 'refused',
    errorType: 'Queue.Full',
    queueMs: null,
    initMs: null,
    runMs: null,
    cpuMs: null,
    memoryBytes: null,
    result: null,
    output: null,
  });
  const database = await kept({}, [call(), bare]);
  expect(findCalls(database, 'r')).toEqual([bare, call()]);
  expect(findCalls(database, 'r1')).toEqual([call()]);
  expect(findCalls(database, "x' OR 1=1")).toEqual([]);
  expect(listCalls(database, { limit: 10, failedOnly: true }).map(({ requestId }) => requestId)).toEqual(['r2']);
  expect(listCalls(database, { limit: 10, sinceMs: 1_001 })).toEqual([]);
  database.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('of each lambda the last ones are kept', async () => {
  const database = await kept(
    { keptMax: 3 },
    [...many(10, { lambda: 'a' }), ...many(2, { lambda: 'b' })],
    many(1, { lambda: 'a' }, 10),
  );
  expect(listCalls(database, { limit: 100 }).map(({ requestId }) => requestId)).toEqual([
    'a-10',
    'b-1',
    'b-0',
    'a-9',
    'a-8',
  ]);
  expect(listCalls(database, { limit: 1, lambda: 'a' }).map(({ requestId }) => requestId)).toEqual(['a-10']);
  database.close();
});

test('all together take no more than they may, the oldest go first, and that is still so after a restart', async () => {
  const event = Buffer.alloc(10_000);
  const bytesMax = 5_000_000;
  const first = await kept({ bytesMax }, many(1_000, { event }));
  expect(listCalls(first, { limit: 2_000 }).length).toBeLessThan(500);
  first.close();
  const second = await kept({ bytesMax }, many(300, { event }, 1_000));
  const ids = listCalls(second, { limit: 2_000 }).map(({ requestId }) => requestId);
  expect(ids.length).toBeLessThan(500);
  expect(ids.slice(0, 300)).toEqual(Array.from({ length: 300 }, (_, at) => `r-${1_299 - at}`));
  second.close();
});

test('sums are of all calls by day, lambda and memory', async () => {
  const { database, ops } = await openCalls({ path, keptMax: 1, bytesMax: 1 << 20 });
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const at = (startedMs: number, memoryMb: number, more: Partial<KeptCall> = {}) =>
    usageOf(call({ startedMs, ...more }), memoryMb)!;
  ops.keep.run({ calls: [], usage: [at(today, 256), at(today - DAY_MS, 256)] });
  ops.keep.run({ calls: [], usage: [at(today, 256, { errorType: 'E' }), at(today, 512, { initMs: 0, runMs: 120.5 })] });
  expect(usageSince(database, today / DAY_MS)).toEqual([
    {
      lambda: 'hello',
      memoryMb: 256,
      calls: 2,
      errors: 1,
      cold: 2,
      ms: 12,
      msBy100: 200,
      usedMbMs: 2 * 12_800,
      cpuMs: 6,
    },
    { lambda: 'hello', memoryMb: 512, calls: 1, errors: 0, cold: 1, ms: 121, msBy100: 200, usedMbMs: 15_488, cpuMs: 3 },
  ]);
  expect(usageSince(database, today / DAY_MS - 1)[0]).toMatchObject({ calls: 3 });
  database.close();
});

test('prices are those of the lists: a million calls of 100 ms with 128 MiB, and 10 ms of CPU each', () => {
  const usage = {
    lambda: 'x',
    memoryMb: 128,
    calls: 1e6,
    errors: 0,
    cold: 0,
    ms: 1e8,
    msBy100: 1e8,
    usedMbMs: 128e8,
    cpuMs: 1e7,
  };
  const dollars = Object.fromEntries(OFFERS.map(({ name, cost }) => [name, Number(cost(usage).toFixed(3))]));
  expect(dollars).toEqual({
    'AWS Lambda (x86)': 0.408,
    'AWS Lambda (Arm)': 0.367,
    'Google Cloud Run functions': 0.63,
    'Azure Functions (Consumption)': 0.4,
    'Cloudflare Workers': 0.5,
  });
});
