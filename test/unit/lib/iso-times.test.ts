import { expect, test } from 'vitest';
import { IsoTimes } from '../../../src/lib/iso-times.ts';

test('times are those of Date, whichever comes after which', () => {
  const times = new IsoTimes();
  const all = [0, 999, 1_000, -1, -1_000, 1_795_300_000_001, 1_795_300_000_999, 1_795_299_999_999, 1_795_300_001_050];
  expect(all.map((ms) => times.of(ms))).toEqual(all.map((ms) => new Date(ms).toISOString()));
});
