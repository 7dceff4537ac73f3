import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CallLog } from '../../../src/compose/call-log.ts';
import { LOG_TEXT_BYTES } from '../../../src/config/limits.ts';
import type { LambdaName } from '../../../src/registry/source.ts';
import type { CallRecord, InstanceOutput } from '../../../src/worker/call-record.ts';
import { scratchDir } from '../scratch-dir.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(scratchDir(), 'isla-call-log-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** The entries that come of what is done to a log. */
async function entriesOf(act: (log: CallLog) => void): Promise<Record<string, unknown>[]> {
  const log = new CallLog({ logsDir: dir, worker: 'w', fileBytesMax: 1 << 30, filesMax: 2, log: () => {} });
  act(log);
  await log.close();
  const text = readFileSync(join(dir, 'w.1.jsonl'), 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const printed = (text: string | Buffer, more: Partial<InstanceOutput> = {}): InstanceOutput => ({
  lambda: 'hello',
  version: 'd1',
  instance: 3,
  requestId: 'r1',
  stream: 'stdout',
  bytes: Buffer.from(text),
  cut: false,
  ...more,
});

const RECORD: CallRecord = {
  lambda: 'hello' as LambdaName,
  trigger: 'http',
  requestId: 'r1',
  startedMs: 1_000,
  durationMs: 1.23456,
  outcome: 'result',
  errorType: undefined,
  run: {
    instance: 3,
    version: 'd1',
    cold: true,
    queueMs: 0,
    initMs: 2.5,
    runMs: 0.1234,
    memoryMb: 256,
    memoryBytes: 9 << 20,
    cpuMs: 0.0415,
  },
  event: Buffer.from('{}'),
  body: Buffer.from('1'),
  config: undefined,
};

test('an entry of a call has all that is known of it', async () => {
  expect(await entriesOf((log) => log.onCall(RECORD))).toEqual([
    {
      time: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      type: 'call',
      lambda: 'hello',
      requestId: 'r1',
      outcome: 'result',
      startTime: '1970-01-01T00:00:01.000Z',
      durationMs: 1.235,
      version: 'd1',
      instance: 3,
      cold: true,
      queueMs: 0,
      initMs: 2.5,
      runMs: 0.123,
      cpuMs: 0.042,
      memoryBytes: 9 << 20,
    },
  ]);
});

test('the begin of a call is an entry of its own, before what it prints and its end', async () => {
  const start = { lambda: 'hello', version: 'd1', instance: 3, requestId: 'r1' };
  const entries = await entriesOf((log) => {
    log.onStart(start);
    log.onOutput(printed('x\n'));
    log.onCall(RECORD);
  });
  expect(entries.map(({ type }) => type)).toEqual(['start', 'output', 'call']);
  expect(entries[0]).toEqual({ ...start, type: 'start', time: expect.stringMatching(/^20.*Z$/) });
  expect(entries[2]).not.toHaveProperty('brief');
});

test('the begin of a call that has ended before it could be written, and printed nothing, is part of its end', async () => {
  const start = { lambda: 'hello', version: 'd1', instance: 3, requestId: 'r1' };
  const entries = await entriesOf((log) => {
    log.onStart(start);
    log.onOutput(printed('between two calls\n', { requestId: undefined }));
    log.onCall(RECORD);
    log.onStart({ ...start, requestId: 'r2' });
  });
  expect(entries.map(({ type, requestId, brief }) => [type, requestId, brief])).toEqual([
    ['output', undefined, undefined],
    ['call', 'r1', true],
    ['start', 'r2', undefined],
  ]);
});

test('an instance that gets the next call before the end of one is told has the begins of both told', async () => {
  const start = { lambda: 'hello', version: 'd1', instance: 3 };
  const entries = await entriesOf((log) => {
    log.onStart({ ...start, requestId: 'r1' });
    log.onStart({ ...start, requestId: 'r2' });
    log.onCall({ ...RECORD, requestId: 'r1' });
    log.onOutput(printed('x\n', { requestId: 'r2' }));
    log.onStart({ ...start, requestId: 'r3' });
    log.onCall({ ...RECORD, requestId: 'r2' });
    log.onCall({ ...RECORD, requestId: 'r3' });
    log.onStart({ ...start, requestId: 'r4' });
  });
  expect(entries.map(({ type, requestId, brief }) => [type, requestId, brief])).toEqual([
    ['start', 'r2', undefined],
    ['call', 'r1', true],
    ['output', 'r2', undefined],
    ['call', 'r2', undefined],
    ['call', 'r3', true],
    ['start', 'r4', undefined],
  ]);
});

test('the begin of a call that goes on is written, and not told again with its end', async () => {
  const log = new CallLog({ logsDir: dir, worker: 'w', fileBytesMax: 1 << 30, filesMax: 2, log: () => {} });
  const text = () => readFileSync(join(dir, 'w.1.jsonl'), 'utf8');
  log.onStart({ lambda: 'hello', version: 'd1', instance: 3, requestId: 'r1' });
  await expect.poll(() => existsSync(join(dir, 'w.1.jsonl')) && text()).toMatch(/"type":"start".*\n$/);
  log.onCall(RECORD);
  await log.close();
  expect(text()).toMatch(/^.*"type":"start".*\n.*"type":"call".*\n$/);
  expect(text()).not.toContain('brief');
});

test('calls that no instance had are there without a run; names that nobody has are not', async () => {
  const refused: CallRecord = { ...RECORD, outcome: 'refused', errorType: 'Queue.Full', run: undefined };
  const entries = await entriesOf((log) => {
    log.onCall(refused);
    log.onCall({ ...refused, errorType: 'Lambda.NotFound' });
  });
  expect(entries).toHaveLength(1);
  expect(entries[0]).toMatchObject({ outcome: 'refused', errorType: 'Queue.Full' });
  expect(Object.keys(entries[0] as object)).not.toContain('runMs');
});

test('output is one entry, as it was printed; what is nobody’s has no request id', async () => {
  const entries = await entriesOf((log) => {
    log.onOutput(printed('a\nb\x1b[2J\n{"type":"call"}\n'));
    log.onOutput(printed(Buffer.from([0x78, 0xff, 0xfe]), { requestId: undefined, stream: 'stderr' }));
  });
  const source = { type: 'output', lambda: 'hello', version: 'd1', instance: 3 };
  expect(entries).toMatchObject([
    { ...source, requestId: 'r1', stream: 'stdout', text: 'a\nb\x1b[2J\n{"type":"call"}\n' },
    { ...source, stream: 'stderr', text: 'x\ufffd\ufffd' },
  ]);
  expect(Object.keys(entries[1] as object)).not.toContain('requestId');
});

test.each([
  ['lines', `${'x'.repeat(99)}\n`.repeat(2000)],
  ['no lines', 'x'.repeat(100_000)],
  ['long characters', '漢😀'.repeat(20_000)],
  ['nothing but ends of lines', '\n'.repeat(100_000)],
])('much output is cut into pieces that together are what was printed: %s', async (_what, text) => {
  const entries = await entriesOf((log) => log.onOutput(printed(text, { cut: true })));
  expect(entries.length).toBe(Math.ceil(Buffer.byteLength(text) / LOG_TEXT_BYTES));
  expect(entries.map((entry) => entry.text).join('')).toBe(text);
  expect(entries.map((entry) => entry.cut)).toEqual([...entries.slice(1).map(() => undefined), true]);
});

test('bytes that look like the middle of a character are cut all the same', async () => {
  const entries = await entriesOf((log) => log.onOutput(printed(Buffer.alloc(40_000, 0x80))));
  expect(entries.map((entry) => entry.text).join('')).toBe('\ufffd'.repeat(40_000));
});
