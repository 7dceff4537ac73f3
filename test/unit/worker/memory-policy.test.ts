import { expect, test } from 'vitest';
import { memoryMax, shortage } from '../../../src/worker/memory-policy.ts';

const MB = 2 ** 20;
const GB = 2 ** 30;
const ROOMY = { totalBytes: 8 * GB, availableBytes: 4 * GB, stalledPercent: 0 };

test('below what it may take, on a machine with memory to spare, nothing is given back', () => {
  expect(shortage({ usedBytes: 1000 * MB, maxBytes: 1000 * MB, machine: ROOMY })).toBe(0);
});

test('beyond it, a little more is given back than it is too much', () => {
  expect(shortage({ usedBytes: 1100 * MB, maxBytes: 1000 * MB, machine: ROOMY })).toBe(150 * MB);
});

test('a machine keeps a tenth free, a gigabyte at most', () => {
  const use = { usedBytes: 600 * MB, maxBytes: GB };
  const small = { totalBytes: 2000 * MB, availableBytes: 150 * MB, stalledPercent: 0 };
  expect(shortage({ ...use, machine: small })).toBe(50 * MB);
  const large = { totalBytes: 100 * GB, availableBytes: GB, stalledPercent: 0 };
  expect(shortage({ ...use, machine: large })).toBe(0);
});

test('one that waits for memory keeps twice as much, but stalls alone prove nothing', () => {
  const use = { usedBytes: 600 * MB, maxBytes: GB };
  const tight = { totalBytes: 2000 * MB, availableBytes: 300 * MB };
  expect(shortage({ ...use, machine: { ...tight, stalledPercent: 5 } })).toBe(0);
  expect(shortage({ ...use, machine: { ...tight, stalledPercent: 20 } })).toBe(100 * MB);
  expect(shortage({ ...use, machine: { ...ROOMY, stalledPercent: 90 } })).toBe(0);
});

test('what others use is not ours to give back', () => {
  const full = { totalBytes: 8 * GB, availableBytes: 0, stalledPercent: 50 };
  expect(shortage({ usedBytes: 3 * MB, maxBytes: GB, machine: full })).toBe(3 * MB);
});

test('unless somebody says otherwise a worker takes three quarters', () => {
  expect(memoryMax(0, 4 * GB)).toBe(3 * GB);
  expect(memoryMax(512, 4 * GB)).toBe(512 * MB);
});
