import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { parseSince } from '../../../src/cli/since.ts';

const NOW = Date.parse('2026-11-22T10:00:00Z');

test.each([
  ['90s', NOW - 90_000],
  ['10m', NOW - 600_000],
  ['1h30m', NOW - 5_400_000],
  ['1.5h', NOW - 5_400_000],
  ['2d', NOW - 172_800_000],
  ['250ms', NOW - 250],
  ['0s', NOW],
  ['2026-11-22T09:00:00Z', NOW - 3_600_000],
  ['2026-11-22T09:00:00.250Z', NOW - 3_599_750],
  ['2026-11-22 10:00+01:00', NOW - 3_600_000],
  ['2026-11-22T09:00', new Date(2026, 10, 22, 9).getTime()],
  ['2026-11-22', new Date(2026, 10, 22).getTime()],
])('%s is a point in time', (text, timeMs) => {
  expect(parseSince(text, NOW)).toBe(timeMs);
});

test.each([
  '',
  '10',
  '10x',
  'm',
  '-10m',
  '10 m',
  '1h-3m',
  'yesterday',
  '2026',
  '2026-13-01',
  '2026-11-22T25:00',
  '22.11.2026',
])('%j is none, and is told so', (text) => {
  expect(() => parseSince(text, NOW)).toThrow(InvalidArgumentError);
  expect(() => parseSince(text, NOW)).toThrow(/duration such as 90s/);
});
