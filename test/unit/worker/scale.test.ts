import { expect, test } from 'vitest';
import { type Demand, mustYield, startsWanted } from '../../../src/worker/scale.ts';

const QUIET: Demand = {
  waiting: 0,
  starting: 0,
  live: 0,
  concurrencyMax: 8,
  typicalCallMs: undefined,
  headWaitMs: 0,
  full: false,
};

function wanted(demand: Partial<Demand>): number {
  return startsWanted({ ...QUIET, ...demand });
}

test('nobody waits: none is started', () => {
  expect(wanted({ live: 3 })).toBe(0);
  expect(wanted({ waiting: 2, starting: 2, live: 2 })).toBe(0);
});

test('as long as no call has ended, everybody who waits gets one, up to the limit', () => {
  expect(wanted({ waiting: 3 })).toBe(3);
  expect(wanted({ waiting: 30, live: 2 })).toBe(6);
  expect(wanted({ waiting: 30, live: 8 })).toBe(0);
});

test('short calls share instances, long ones get their own', () => {
  expect(wanted({ waiting: 10, live: 1, typicalCallMs: 0.1 })).toBe(0);
  expect(wanted({ waiting: 31, live: 1, typicalCallMs: 0.2 })).toBe(3);
  expect(wanted({ waiting: 5, live: 1, typicalCallMs: 100 })).toBe(5);
});

test('the first gets one even if calls are short', () => {
  expect(wanted({ waiting: 1, live: 0, typicalCallMs: 0.1 })).toBe(1);
});

test('one who has waited long proves the average wrong, one new instance at a time', () => {
  expect(wanted({ waiting: 3, live: 1, typicalCallMs: 0.1, headWaitMs: 10 })).toBe(1);
  expect(wanted({ waiting: 3, starting: 1, live: 2, typicalCallMs: 0.1, headWaitMs: 10 })).toBe(0);
});

test('before anybody is refused, there are as many as may be', () => {
  expect(wanted({ waiting: 20, live: 1, typicalCallMs: 0.1, full: true })).toBe(7);
});

test('the rich yield to the poor, but do not change places with their equals', () => {
  expect(mustYield(4, { live: 0, waitMs: 0 })).toBe(true);
  expect(mustYield(4, { live: 2, waitMs: 0 })).toBe(true);
  expect(mustYield(3, { live: 2, waitMs: 1e6 })).toBe(false);
  expect(mustYield(2, { live: 3, waitMs: 1e6 })).toBe(false);
});

test('the only instance is kept for a while', () => {
  expect(mustYield(1, { live: 0, waitMs: 10 })).toBe(false);
  expect(mustYield(1, { live: 0, waitMs: 100 })).toBe(true);
  expect(mustYield(1, { live: 1, waitMs: 1e6 })).toBe(false);
});
