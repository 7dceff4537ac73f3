import { describe, expect, test } from 'vitest';
import { type DemandState, demandAfterOne, NO_DEMAND, wantedWaiting } from '../../../src/sandbox/demand.ts';

const BOUNDS = { min: 4, max: 128 };

/** So many taken from a moment on, one every so many milliseconds. */
function taken(count: number, everyMs: number, from: DemandState = NO_DEMAND, found = true): DemandState {
  let state = from;
  for (let n = 1; n <= count; n += 1) state = demandAfterOne(state, from.atMs + n * everyMs, found);
  return state;
}

describe('the number of sandboxes that should wait', () => {
  test('is the least when nobody has asked', () => {
    expect(wantedWaiting(NO_DEMAND, 1_000_000, BOUNDS)).toBe(4);
  });

  test('stays the least for calls that come more slowly than sandboxes are made, however many', () => {
    const state = taken(10_000, 150);
    expect(wantedWaiting(state, state.atMs, BOUNDS)).toBe(4);
  });

  test('is what a burst took beyond what was made meanwhile', () => {
    const atOnce = taken(50, 0);
    expect(wantedWaiting(atOnce, atOnce.atMs, BOUNDS)).toBe(50);
    const oneEvery2Ms = taken(100, 2);
    expect(wantedWaiting(oneEvery2Ms, oneEvery2Ms.atMs, BOUNDS)).toBe(80);
  });

  test('is all of a burst whose callers wait for what is made meanwhile, and nothing of single ones who wait', () => {
    const burst = taken(100, 12, NO_DEMAND, false);
    expect(wantedWaiting(burst, burst.atMs, BOUNDS)).toBe(100);
    const single = taken(100, 2_000, NO_DEMAND, false);
    expect(wantedWaiting(single, single.atMs, BOUNDS)).toBe(4);
  });

  test('is bounded', () => {
    const state = taken(1_000, 1);
    expect(wantedWaiting(state, state.atMs, BOUNDS)).toBe(128);
  });

  test('is remembered for the next burst, and halves every 30 s down to the least', () => {
    const state = taken(64, 0);
    expect(wantedWaiting(state, state.atMs + 2_000, BOUNDS)).toBeGreaterThan(60);
    expect(wantedWaiting(state, state.atMs + 30_000, BOUNDS)).toBe(32);
    expect(wantedWaiting(state, state.atMs + 60_000, BOUNDS)).toBe(16);
    expect(wantedWaiting(state, state.atMs + 600_000, BOUNDS)).toBe(4);
  });

  test('does not add up over bursts with time between them', () => {
    let state = taken(40, 0);
    for (let n = 0; n < 20; n += 1) state = taken(40, 0, demandAfterOne(state, state.atMs + 5_000, true));
    expect(wantedWaiting(state, state.atMs, BOUNDS)).toBeLessThanOrEqual(42);
  });

  test('is none where no pool is wanted, and the least where that is more than the most', () => {
    const state = taken(100, 0);
    expect(wantedWaiting(state, state.atMs, { min: 0, max: 128 })).toBe(0);
    expect(wantedWaiting(state, state.atMs, { min: 10, max: 5 })).toBe(10);
  });

  test('is not troubled by a clock that goes backwards', () => {
    const state = taken(10, 1);
    expect(wantedWaiting(demandAfterOne(state, state.atMs - 5_000, true), state.atMs, BOUNDS)).toBe(9);
  });
});
