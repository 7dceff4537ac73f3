import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEAD_KEPT_MS, DONE_KEPT_MS, KEY_KEPT_MS, LOSSES_MAX } from '../../../src/store/queue/limits.ts';
import { QueueFile, scratch, T0 } from './queue-file.ts';

const ERROR = { errorType: 'ValueError', errorMessage: 'no' };

describe('the queue takes events', () => {
  it('and hands them out in the order in which they came, once', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    const ids = [1, 2, 3].map((n) => queue.add('a', { event: `{"n":${n}}` }));
    const { jobs, nextDueMs } = queue.take();
    expect(jobs.map(({ id }) => id)).toEqual(ids);
    expect(jobs.map(({ event }) => Buffer.from(event).toString())).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    expect(nextDueMs).toBeUndefined();
    expect(queue.take().jobs).toEqual([]);
  });

  it('and keeps them when the file is opened again', async () => {
    const path = join(scratch(), 'queue.db');
    const before = await QueueFile.open({ path });
    const id = before.add('a', { event: '{"kept":1}' });
    before.database.close();
    const after = await QueueFile.open({ path });
    after.enter();
    expect(after.take().jobs[0]).toMatchObject({ id, lambda: 'a', attempts: 0 });
  });

  it.each(['', '{', 'nope', '{"a":}', 'NaN'])('but none that is not JSON: %j', async (event) => {
    const queue = await QueueFile.open();
    expect(() => queue.add('a', { event })).toThrow(expect.objectContaining({ code: 'event-invalid' }));
  });

  it('but none that is not UTF-8', async () => {
    const queue = await QueueFile.open();
    const event = new Uint8Array([0x22, 0xff, 0x22]);
    const job = { id: 'x', lambda: 'a', trigger: 'pubsub', event, key: undefined, context: undefined, nowMs: T0 };
    expect(() => queue.ask('enqueue', job)).toThrow(/not UTF-8/);
  });

  it('as many as may wait, and as many bytes', async () => {
    const queue = await QueueFile.open({ jobsMax: 2, bytesMax: 100 });
    queue.add();
    expect(() => queue.add('a', { event: `"${'x'.repeat(100)}"` })).toThrow(
      expect.objectContaining({ code: 'async-no-room' }),
    );
    queue.add();
    expect(() => queue.add()).toThrow(expect.objectContaining({ code: 'async-full' }));
    queue.enter();
    const [first] = queue.take('s1', { total: 1 }).jobs;
    // Those that run count as well: they may come back.
    expect(() => queue.add()).toThrow(expect.objectContaining({ code: 'async-full' }));
    queue.ask('settle', { seq: first!.seq, session: 's1', settlement: { kind: 'done' }, nowMs: T0 });
    expect(queue.add()).toMatch(/^job-/);
  });
});

describe('an idempotency key', () => {
  it('stands for one call of one lambda for a day, whatever has become of it', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    const id = queue.add('a', { key: 'k', event: '1' });
    expect(queue.add('a', { key: 'k', event: '1' })).toBe(id);
    expect(queue.add('b', { key: 'k', event: '1' })).not.toBe(id);
    for (const { seq } of queue.take().jobs) {
      queue.ask('settle', { seq, session: 's1', settlement: { kind: 'done' }, nowMs: T0 });
    }
    expect(queue.add('a', { key: 'k', event: '1', nowMs: T0 + KEY_KEPT_MS - 1 })).toBe(id);
    expect(queue.take().jobs).toEqual([]);
    expect(queue.add('a', { key: 'k', event: '1', nowMs: T0 + KEY_KEPT_MS })).not.toBe(id);
  });

  it('is refused with another event', async () => {
    const queue = await QueueFile.open();
    queue.add('a', { key: 'k', event: '1' });
    expect(() => queue.add('a', { key: 'k', event: '2' })).toThrow(
      expect.objectContaining({ code: 'idempotency-conflict' }),
    );
  });

  it('is not kept for a call that was refused', async () => {
    const queue = await QueueFile.open({ bytesMax: 10 });
    expect(() => queue.add('a', { key: 'k', event: `"${'x'.repeat(20)}"` })).toThrow(/bytes/);
    expect(queue.add('a', { key: 'k', event: '1' })).toMatch(/^job-/);
  });
});

describe('jobs are taken', () => {
  it('as far as there is room for their lambda, and in turn for each', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    for (const lambda of ['a', 'b', 'c']) for (let n = 0; n < 3; n += 1) queue.add(lambda);
    const rooms = new Map([['b', 2]]);
    const names = (total: number) => queue.take('s1', { total, otherRoom: 1, rooms }).jobs.map(({ lambda }) => lambda);
    expect(names(2)).toEqual(['a', 'b']);
    expect(names(2)).toEqual(['c', 'a']);
    expect(names(9)).toEqual(['b', 'b', 'c', 'a']);
  });

  it('when they are due, and the next time is told', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    queue.add();
    const [job] = queue.take().jobs;
    const settlement = { kind: 'retry', dueMs: T0 + 500, error: ERROR } as const;
    queue.ask('settle', { seq: job!.seq, session: 's1', settlement, nowMs: T0 });
    expect(queue.take()).toEqual({ jobs: [], nextDueMs: T0 + 500 });
    expect(queue.take('s1', { nowMs: T0 + 500 }).jobs[0]).toMatchObject({ id: job!.id, attempts: 1 });
  });

  it('and settled only by the session that has them', async () => {
    const queue = await QueueFile.open();
    queue.enter('s1', 'w1');
    queue.enter('s2', 'w2');
    const id = queue.add();
    const [job] = queue.take('s1').jobs;
    queue.ask('reclaim', { sessions: ['s1'], nowMs: T0 });
    expect(queue.take('s2').jobs.map((one) => one.id)).toEqual([id]);
    const order = { seq: job!.seq, settlement: { kind: 'done' }, nowMs: T0 } as const;
    expect(queue.ask('settle', { ...order, session: 's1' })).toBe(false);
    expect(queue.ask('look', { id })?.state).toBe('running');
    expect(queue.ask('settle', { ...order, session: 's2' })).toBe(true);
    expect(queue.ask('look', { id })?.state).toBe('done');
    expect(queue.ask('event', { id })).toBeUndefined();
  });

  it('again from a worker that begins anew, and not from others', async () => {
    const queue = await QueueFile.open();
    queue.enter('s1', 'w1');
    queue.add();
    queue.take('s1');
    expect(queue.ask('enter', { session: 's2', worker: 'w2', nowMs: T0 })).toEqual({ reclaimed: 0 });
    expect(queue.ask('enter', { session: 's3', worker: 'w1', nowMs: T0 })).toEqual({ reclaimed: 1 });
    expect(queue.take('s3').jobs).toHaveLength(1);
  });

  it('no more when too many workers have ended under them', async () => {
    const queue = await QueueFile.open();
    const id = queue.add();
    for (let n = 0; n <= LOSSES_MAX; n += 1) {
      queue.enter(`s${n}`, 'w1');
      queue.take(`s${n}`);
    }
    expect(queue.ask('look', { id })?.state).toBe('running');
    queue.enter('last', 'w1');
    expect(queue.ask('look', { id })).toMatchObject({ state: 'dead', errorType: 'Worker.Lost' });
  });

  it('at once if the clock has been set back since they were put off', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    queue.add('a', { nowMs: T0 });
    const before = T0 - 3_600_000;
    expect(queue.take('s1', { nowMs: before }).jobs).toEqual([]);
    queue.ask('mendClock', { nowMs: before });
    expect(queue.take('s1', { nowMs: before }).jobs).toHaveLength(1);
  });
});

describe('what is kept', () => {
  async function dead(queue: QueueFile, count: number): Promise<string[]> {
    queue.enter();
    const ids = Array.from({ length: count }, () => queue.add());
    for (const { seq } of queue.take().jobs) {
      queue.ask('settle', { seq, session: 's1', settlement: { kind: 'dead', error: ERROR }, nowMs: T0 + seq });
    }
    return ids;
  }

  it('of dead letters is bounded, the oldest go', async () => {
    const queue = await QueueFile.open({ deadMax: 3 });
    const ids = await dead(queue, 5);
    expect(queue.ask('sweep', { nowMs: T0 })).toEqual({ deadDropped: 2, more: false });
    expect(queue.ask('list', { state: 'dead', limit: 10 }).map(({ id }) => id)).toEqual(ids.slice(2));
    expect(queue.ask('sweep', { nowMs: T0 + DEAD_KEPT_MS + 100 })).toEqual({ deadDropped: 0, more: false });
    expect(queue.ask('totals', {}).dead).toEqual({ count: 0, bytes: 0 });
  });

  it('of those that are done has no events, and an end', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    const id = queue.add('a', { key: 'k' });
    const [job] = queue.take().jobs;
    queue.ask('settle', { seq: job!.seq, session: 's1', settlement: { kind: 'done' }, nowMs: T0 });
    queue.ask('sweep', { nowMs: T0 + DONE_KEPT_MS });
    expect(queue.ask('look', { id })?.state).toBe('done');
    queue.ask('sweep', { nowMs: T0 + DONE_KEPT_MS + 1 });
    expect(queue.ask('look', { id })).toBeUndefined();
    expect(queue.database.prepare('SELECT count(*) FROM keys').pluck().get()).toBe(0);
    expect(queue.database.prepare('SELECT count(*) FROM events').pluck().get()).toBe(0);
  });

  it('dead can run again, or go for good, one, those of a lambda, or all', async () => {
    const queue = await QueueFile.open();
    const [first, second] = await dead(queue, 4);
    expect(queue.ask('redrive', { id: first, nowMs: T0 + 9 })).toBe(1);
    expect(queue.take('s1', { nowMs: T0 + 9 }).jobs[0]).toMatchObject({ id: first, attempts: 0, createdMs: T0 + 9 });
    expect(queue.ask('purge', { state: 'dead', id: second })).toBe(1);
    expect(queue.ask('purge', { state: 'dead', lambda: 'b' })).toBe(0);
    expect(queue.ask('redrive', { lambda: 'a', nowMs: T0 })).toBe(2);
    expect(queue.ask('totals', {})).toMatchObject({ queued: { count: 2 }, running: { count: 1 }, dead: { count: 0 } });
  });

  it('is counted, whatever becomes of it', async () => {
    const queue = await QueueFile.open();
    queue.enter();
    expect(queue.ask('totals', {}).oldestMs).toBeNull();
    queue.add('a', { event: '[1]', nowMs: T0 - 5 });
    queue.add('a', { event: '[12]' });
    expect(queue.ask('totals', {})).toMatchObject({ queued: { count: 2, bytes: 7 }, oldestMs: T0 - 5 });
    queue.take('s1', { total: 1 });
    expect(queue.ask('totals', {})).toMatchObject({ queued: { count: 1, bytes: 4 }, running: { count: 1, bytes: 3 } });
    queue.ask('purge', { state: 'queued' });
    expect(queue.ask('totals', {})).toMatchObject({ queued: { count: 0, bytes: 0 } });
  });
});

describe('a schedule', () => {
  const EVENT = new TextEncoder().encode('{}');
  const PATTERN = '* * * * * UTC';
  const keep = (queue: QueueFile, pattern: string | undefined, nowMs = T0) => {
    const schedules = pattern === undefined ? [] : [{ name: 's', pattern }];
    return queue.ask('keepSchedules', { lambda: 'a', schedules, nowMs });
  };
  const fire = (queue: QueueFile, times: number[], { pattern = PATTERN, nowMs = T0 } = {}) => {
    const dues = times.map((dueMs) => ({ dueMs, id: `fired-${Math.random()}`, event: EVENT }));
    return queue.ask('fire', { lambda: 'a', name: 's', pattern, dues, upToMs: times.at(-1) ?? nowMs, nowMs });
  };

  it('begins when it is first seen, and makes one call for each time, whoever finds it due', async () => {
    const queue = await QueueFile.open();
    expect(keep(queue, PATTERN)).toEqual([{ name: 's', lastMs: T0 }]);
    expect(keep(queue, PATTERN, T0 + 5)).toEqual([{ name: 's', lastMs: T0 }]);
    expect(fire(queue, [T0 - 1, T0 + 1, T0 + 2])).toBe(2);
    expect(fire(queue, [T0 + 1, T0 + 2, T0 + 3])).toBe(1);
    queue.enter();
    expect(queue.take().jobs.map(({ trigger }) => trigger)).toEqual(['timer', 'timer', 'timer']);
    expect(queue.ask('schedules', {})).toEqual([
      { lambda: 'a', name: 's', pattern: PATTERN, lastMs: T0 + 3, firedMs: T0 + 3 },
    ]);
  });

  it('that is passed over has not fired, and does not come back', async () => {
    const queue = await QueueFile.open();
    keep(queue, PATTERN);
    expect(queue.ask('fire', { lambda: 'a', name: 's', pattern: PATTERN, dues: [], upToMs: T0 + 9, nowMs: T0 })).toBe(
      0,
    );
    expect(fire(queue, [T0 + 9])).toBe(0);
    expect(queue.ask('schedules', {})[0]).toMatchObject({ lastMs: T0 + 9, firedMs: null });
  });

  it('with another pattern is another, and one that has gone makes no call', async () => {
    const queue = await QueueFile.open();
    keep(queue, PATTERN);
    fire(queue, [T0 + 1]);
    expect(keep(queue, '@daily UTC', T0 + 100)).toEqual([{ name: 's', lastMs: T0 + 100 }]);
    expect(fire(queue, [T0 + 200])).toBeUndefined();
    keep(queue, undefined);
    expect(fire(queue, [T0 + 200], { pattern: '@daily UTC' })).toBeUndefined();
    expect(queue.ask('schedules', {})).toEqual([]);
  });

  it('makes no call and keeps its place when there is no room', async () => {
    const queue = await QueueFile.open({ jobsMax: 1 });
    keep(queue, PATTERN);
    expect(() => fire(queue, [T0 + 1, T0 + 2])).toThrow(expect.objectContaining({ code: 'async-full' }));
    expect(queue.ask('totals', {}).queued.count).toBe(0);
    expect(fire(queue, [T0 + 1])).toBe(1);
  });

  it('that a wrong clock has put years ahead begins anew', async () => {
    const queue = await QueueFile.open();
    keep(queue, PATTERN, T0 + 1e11);
    expect(keep(queue, PATTERN, T0)).toEqual([{ name: 's', lastMs: T0 }]);
  });

  it('is known to be none, for the version that was looked at', async () => {
    const queue = await QueueFile.open();
    queue.ask('noteUnscheduled', { lambda: 'a', version: 'v1' });
    expect(queue.ask('isUnscheduled', { lambda: 'a', version: 'v1' })).toBe(true);
    expect(queue.ask('isUnscheduled', { lambda: 'a', version: 'v2' })).toBe(false);
  });
});
