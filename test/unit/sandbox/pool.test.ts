import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Pool } from '../../../src/sandbox/pool.ts';
import type { Slot } from '../../../src/sandbox/slot.ts';

/** As much of a slot as a pool looks at. */
interface Made {
  state: Slot['state'];
  destroy(): Promise<void>;
}

let made: Made[];
let canMake: boolean;
let pool: Pool;

function open(size: number, max = size): void {
  pool = new Pool({ size, max, prepare: () => (canMake ? prepare() : undefined) });
  pool.tend();
}

function prepare(): Slot {
  const slot: Made = {
    state: 'making',
    destroy: async () => {
      slot.state = 'ended';
    },
  };
  made.push(slot);
  return slot as unknown as Slot;
}

const making = () => made.filter((slot) => slot.state === 'making');

/** The spawner has made one, and one more, until it has nothing to make. */
function finishMaking(): void {
  for (let slot = making()[0]; slot !== undefined; slot = making()[0]) {
    slot.state = 'waiting';
    pool.made();
  }
}

/** A call takes one. */
function take(): Slot | undefined {
  const slot = pool.take();
  if (slot !== undefined) slot.state = 'serving';
  pool.tend();
  return slot;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(1_000);
  made = [];
  canMake = true;
});
afterEach(() => {
  pool.clear();
  vi.useRealTimers();
});

describe('a pool', () => {
  test('is filled two at a time', () => {
    open(5);
    expect(making()).toHaveLength(2);
    (making()[0] as Made).state = 'waiting';
    pool.made();
    expect(making()).toHaveLength(2);
    finishMaking();
    expect([pool.waiting, made.length]).toEqual([5, 5]);
  });

  test('makes none while hand-overs follow each other, and then as many as were taken', () => {
    open(8);
    finishMaking();
    for (let n = 0; n < 4; n += 1) {
      expect(take()).toBeDefined();
      vi.advanceTimersByTime(4);
    }
    expect(making()).toEqual([]);
    vi.advanceTimersByTime(5);
    finishMaking();
    expect(pool.waiting).toBe(8);
  });

  test('of one makes the next when the hand-over of the last is over', () => {
    open(1, 8);
    finishMaking();
    expect(take()).toBeDefined();
    expect(making()).toEqual([]);
    vi.advanceTimersByTime(4);
    expect(making()).toEqual([]);
    vi.advanceTimersByTime(2);
    expect(making()).toHaveLength(1);
  });

  test('makes some at once when few are left', () => {
    open(8);
    finishMaking();
    for (let n = 0; n < 6; n += 1) take();
    expect(making()).toHaveLength(2);
  });

  test('gives out one that is being made rather than none, and counts which it was', () => {
    open(2);
    expect(take()?.state).toBe('serving');
    finishMaking();
    take();
    expect(pool.taken).toEqual({ waiting: 1, unfinished: 1 });
    pool.clear();
    expect(pool.take()).toBeUndefined();
  });

  test('grows with a burst up to its most, and shrinks to its least when nobody asks', () => {
    open(2, 16);
    finishMaking();
    for (let n = 0; n < 30; n += 1) {
      take();
      finishMaking();
    }
    vi.advanceTimersByTime(10);
    finishMaking();
    expect([pool.target, pool.waiting]).toEqual([16, 16]);
    vi.advanceTimersByTime(600_000);
    expect([pool.target, pool.waiting]).toEqual([2, 2]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('never gives out one that it gives up', () => {
    open(1, 8);
    finishMaking();
    for (let n = 0; n < 20; n += 1) {
      take();
      finishMaking();
    }
    vi.advanceTimersByTime(10);
    finishMaking();
    vi.advanceTimersByTime(600_000);
    const left = made.filter((slot) => slot.state === 'waiting');
    expect(left).toHaveLength(1);
    expect(pool.take()).toBe(left[0]);
  });

  test('of size 0 keeps none, whatever was asked for', () => {
    open(0, 100);
    for (let n = 0; n < 20; n += 1) expect(take()).toBeUndefined();
    vi.advanceTimersByTime(1_000);
    expect(made).toEqual([]);
  });

  test('does not try again and again where sandboxes fail', () => {
    open(4);
    for (let slot = making()[0]; slot !== undefined; slot = making()[0]) {
      slot.state = 'ended';
      pool.ended(slot as unknown as Slot, true);
    }
    vi.advanceTimersByTime(60_000);
    expect(made).toHaveLength(2);
    expect(pool.target).toBe(1);
    take();
    vi.advanceTimersByTime(10);
    expect(made).toHaveLength(3);
    finishMaking();
    expect(pool.target).toBe(4);
  });

  test('replaces one that ended by itself, and waits while none can be made', () => {
    open(2);
    finishMaking();
    canMake = false;
    const gone = made[0] as Made;
    gone.state = 'ended';
    pool.ended(gone as unknown as Slot, false);
    expect(pool.waiting).toBe(1);
    canMake = true;
    pool.tend();
    finishMaking();
    expect(pool.waiting).toBe(2);
  });
});
