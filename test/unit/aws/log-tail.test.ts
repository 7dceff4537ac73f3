import { expect, test } from 'vitest';
import { LogTails } from '../../../src/aws/log-tail.ts';
import type { CallRun } from '../../../src/worker/outcome.ts';

const RUN: CallRun = {
  instance: 0,
  version: 'v',
  cold: true,
  queueMs: 0,
  initMs: 12.345,
  runMs: 1.2,
  memoryMb: 128,
  memoryBytes: 30 * 1_048_576 - 1,
  cpuMs: 1,
};

function printed(tails: LogTails, requestId: string, text: string): void {
  const instance = { lambda: 'hello', version: 'v', instance: 0 };
  tails.onOutput({ ...instance, requestId, stream: 'stdout', bytes: Buffer.from(text), cut: false });
}

const decoded = (base64: string) => Buffer.from(base64, 'base64').toString();

test('a log has the lines around it that AWS writes', () => {
  const tails = new LogTails();
  const tail = tails.begin('a')!;
  printed(tails, 'a', 'one\ntwo');
  printed(tails, 'b', 'of another call');
  expect(decoded(tail.text('$LATEST', RUN))).toBe(
    'START RequestId: a Version: $LATEST\none\ntwo\nEND RequestId: a\n' +
      'REPORT RequestId: a\tDuration: 1.20 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t' +
      'Init Duration: 12.35 ms\t\n',
  );
  expect(decoded(tail.text('7', { ...RUN, initMs: 0 }))).not.toContain('Init Duration');
  expect(decoded(tail.text('7', undefined))).toBe('START RequestId: a Version: 7\none\ntwo\nEND RequestId: a\n');
});

test('a log is its last 4096 bytes, however it came', () => {
  const tails = new LogTails();
  const tail = tails.begin('a')!;
  const numbers = Array.from({ length: 5_000 }, (_, at) => `${at}\n`).join('');
  for (let at = 0; at < numbers.length; at += 700) printed(tails, 'a', numbers.slice(at, at + 700));
  const text = decoded(tail.text('$LATEST', RUN));
  expect(text).toHaveLength(4096);
  expect(text).toContain('\n4998\n4999\nEND RequestId: a\n');
  printed(tails, 'a', 'x'.repeat(100_000));
  const end = '\nEND RequestId: a\n';
  expect(decoded(tail.text('$LATEST', undefined)) === 'x'.repeat(4096 - end.length) + end).toBe(true);
});

test('an id is asked about once at a time', () => {
  const tails = new LogTails();
  const tail = tails.begin('a')!;
  expect(tails.begin('a')).toBeUndefined();
  tails.end(tail);
  expect(tails.begin('a')).toBeDefined();
});
