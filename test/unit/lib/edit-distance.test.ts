import { expect, test } from 'vitest';
import { editDistance, nearest } from '../../../src/lib/edit-distance.ts';

test.each([
  ['', '', 0],
  ['a', '', 1],
  ['pool', 'pool', 0],
  ['pool', 'pools', 1],
  ['stauts', 'status', 1],
  ['kitten', 'sitting', 3],
])('from %j to %j it takes %i', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

test('the nearest word is found whatever its case, unless it is too far away', () => {
  expect(nearest('POOL_SICE', ['queue_max', 'pool_size'])).toBe('pool_size');
  expect(nearest('colour', ['queue_max', 'pool_size'])).toBeUndefined();
  expect(nearest('ab', ['xy'])).toBeUndefined();
  expect(nearest('x', [])).toBeUndefined();
});
