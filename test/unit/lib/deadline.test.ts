import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadline } from '../../../src/lib/deadline.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function deadline(): { limit: Deadline; due: () => number } {
  let count = 0;
  const limit = new Deadline(() => {
    count += 1;
  });
  return { limit, due: () => count };
}

test('comes once, when it was set for', () => {
  const { limit, due } = deadline();
  limit.set(100);
  vi.advanceTimersByTime(99);
  expect(due()).toBe(0);
  vi.advanceTimersByTime(1);
  expect(due()).toBe(1);
  vi.advanceTimersByTime(1000);
  expect(due()).toBe(1);
});

test('moves when it is set anew, later or sooner, with one timer at most', () => {
  const { limit, due } = deadline();
  for (let round = 0; round < 50; round += 1) {
    limit.set(100);
    vi.advanceTimersByTime(30);
    limit.lift();
    vi.advanceTimersByTime(10);
    expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
  }
  expect(due()).toBe(0);
  limit.set(1000);
  limit.set(10);
  vi.advanceTimersByTime(10);
  expect(due()).toBe(1);
  vi.advanceTimersByTime(2000);
  expect(due()).toBe(1);
});

test('does not come once it was lifted, and leaves no timer once it was closed', () => {
  const { limit, due } = deadline();
  limit.set(100);
  limit.lift();
  vi.advanceTimersByTime(200);
  limit.set(100);
  limit.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(200);
  expect(due()).toBe(0);
});

test('can be set again from what it calls', () => {
  let times = 0;
  const limit: Deadline = new Deadline(() => {
    times += 1;
    if (times < 3) limit.set(50);
  });
  limit.set(50);
  vi.advanceTimersByTime(1000);
  expect(times).toBe(3);
});
