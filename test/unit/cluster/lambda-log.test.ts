import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatEntry, type LogEntry } from '../../../src/cluster/lambda-log.ts';
import { LambdaLogReader, type LogWish } from '../../../src/cluster/lambda-log-reader.ts';
import { scratchDir } from '../scratch-dir.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(scratchDir(), 'isla-log-reader-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const entry = (second: number, requestId: string, lambda = 'a'): LogEntry => ({
  time: new Date(second * 1000).toISOString(),
  type: 'call',
  lambda,
  requestId,
  outcome: 'result',
  startTime: '',
  durationMs: 1,
});

function write(file: string, ...entries: LogEntry[]): void {
  appendFileSync(join(dir, file), entries.map(formatEntry).join(''));
}

function reader(wish: Partial<LogWish> = {}): LambdaLogReader {
  return new LambdaLogReader(dir, { lambda: undefined, sinceMs: undefined, last: Number.POSITIVE_INFINITY, ...wish });
}

const ids = (entries: { requestId?: string }[]) => entries.map(({ requestId }) => requestId).join(' ');

describe('what is there already', () => {
  beforeEach(() => {
    write('worker-0.1.jsonl', entry(1, '1'), entry(4, '4', 'b'));
    write('worker-0.2.jsonl', entry(6, '6'), entry(8, '8'));
    write('worker-10.1.jsonl', entry(2, '2'), entry(3, '3', 'b'), entry(7, '7'));
    writeFileSync(join(dir, 'worker-0.out'), 'words of the worker\n');
  });

  test('comes of all workers and files, by time, with the worker’s name', () => {
    const entries = reader().past();
    expect(ids(entries)).toBe('1 2 3 4 6 7 8');
    expect(entries.map(({ worker }) => worker)).toEqual(expect.arrayContaining(['worker-0', 'worker-10']));
  });

  test('has a begin for a call that was too brief to have one written', () => {
    const begun = { startTime: new Date(8_500).toISOString(), queueMs: 250, version: 'd1', instance: 2 };
    write('worker-0.2.jsonl', { ...entry(9, '9'), ...begun, brief: true } as LogEntry);
    const end = { ...entry(9, '9'), ...begun, worker: 'worker-0' };
    const time = new Date(8_750).toISOString();
    const { lambda, requestId, worker } = end;
    const start = { time, type: 'start', lambda, requestId, version: 'd1', instance: 2, worker };
    expect(reader({ last: 3 }).past()).toEqual([expect.objectContaining({ requestId: '8' }), start, end]);
    expect(reader({ last: 1 }).past()).toEqual([end]);
    expect(reader({ sinceMs: 8_800 }).past()).toEqual([end]);
  });

  test.each<[Partial<LogWish>, string]>([
    [{ last: 3 }, '6 7 8'],
    [{ last: 0 }, ''],
    [{ lambda: 'b' }, '3 4'],
    [{ lambda: 'b', last: 1 }, '4'],
    [{ lambda: 'none' }, ''],
    [{ sinceMs: 4000 }, '4 6 7 8'],
    [{ sinceMs: 4001, last: 2 }, '7 8'],
    [{ sinceMs: 99_000 }, ''],
  ])('comes as far as it is wished for: %j', (wish, wanted) => {
    expect(ids(reader(wish).past())).toBe(wanted);
  });

  test('comes in the order in which a worker wrote it, whatever its clock did', () => {
    write('worker-0.2.jsonl', entry(5, 'back'), entry(9, '9'));
    expect(ids(reader().past())).toBe('1 2 3 4 6 7 8 back 9');
  });

  test('comes without what is no entry', () => {
    const noise = [
      'half of a li',
      '',
      '{}',
      '[]',
      '{"type":"call"}',
      '{"time":"x","lambda":"a","type":"output"}',
      '\x00\xff',
    ];
    appendFileSync(join(dir, 'worker-0.2.jsonl'), `${noise.join('\n')}\n`);
    write('worker-0.2.jsonl', entry(9, '9'));
    expect(ids(reader().past())).toBe('1 2 3 4 6 7 8 9');
  });
});

describe('what comes', () => {
  test('is read once, across a file that is full, and of workers that are new', () => {
    const logs = reader();
    expect(logs.past()).toEqual([]);
    write('worker-0.1.jsonl', entry(1, '1'));
    expect(ids(logs.news())).toBe('1');
    expect(logs.news()).toEqual([]);
    write('worker-0.1.jsonl', entry(2, '2'));
    write('worker-0.2.jsonl', entry(3, '3'));
    write('worker-0.3.jsonl', entry(5, '5'));
    write('worker-1.1.jsonl', entry(4, '4'));
    expect(ids(logs.news())).toBe('2 3 4 5');
    expect(logs.news()).toEqual([]);
  });

  test('follows what was there', () => {
    write('worker-0.4.jsonl', entry(1, '1'), entry(2, '2'));
    const logs = reader({ last: 1 });
    expect(ids(logs.past())).toBe('2');
    write('worker-0.4.jsonl', entry(3, '3'));
    write('worker-0.5.jsonl', entry(4, '4', 'b'));
    expect(ids(logs.news())).toBe('3 4');
  });

  test('is read when the line is whole', () => {
    write('worker-0.1.jsonl', entry(1, '1'));
    const logs = reader();
    logs.past();
    const line = formatEntry(entry(2, '2'));
    appendFileSync(join(dir, 'worker-0.1.jsonl'), line.slice(0, 30));
    expect(logs.news()).toEqual([]);
    appendFileSync(join(dir, 'worker-0.1.jsonl'), line.slice(30));
    expect(ids(logs.news())).toBe('2');
  });

  test('is only of the lambda that was asked for, however old', () => {
    const logs = reader({ lambda: 'b', sinceMs: 50_000 });
    logs.past();
    write('worker-0.1.jsonl', entry(1, '1'), entry(2, '2', 'b'));
    expect(ids(logs.news())).toBe('2');
  });

  test('goes on after files that went unread, and after all were deleted', () => {
    write('worker-0.1.jsonl', entry(1, '1'));
    const logs = reader();
    logs.past();
    rmSync(join(dir, 'worker-0.1.jsonl'));
    write('worker-0.7.jsonl', entry(2, '2'));
    expect(ids(logs.news())).toBe('2');
    rmSync(join(dir, 'worker-0.7.jsonl'));
    expect(logs.news()).toEqual([]);
    write('worker-0.1.jsonl', entry(3, '3'));
    expect(ids(logs.news())).toBe('3');
    write('new', entry(4, '4'), entry(5, '5'), entry(6, '6'));
    renameSync(join(dir, 'new'), join(dir, 'worker-0.1.jsonl'));
    expect(ids(logs.news())).toBe('4 5 6');
  });

  test('comes no more when the directory has gone, which is told', () => {
    const logs = reader();
    rmSync(dir, { recursive: true });
    expect(() => logs.news()).toThrow(expect.objectContaining({ code: 'cluster-missing' }));
  });
});
