import { expect, test } from 'vitest';
import { type Crc, crc32, crc32c, crc64nvme } from '../../../src/lib/crc.ts';

/** The check value of a CRC is that of these nine bytes. */
const CHECK = Buffer.from('123456789');

test.each([
  ['CRC-32', crc32, 'cbf43926'],
  ['CRC-32C', crc32c, 'e3069283'],
  ['CRC-64/NVME', crc64nvme, 'ae8b14860a799888'],
])('%s has the check value of its catalogue entry', (_name, make, check) => {
  expect(digest(make(), [CHECK])).toBe(check);
});

test.each([
  ['CRC-32', crc32],
  ['CRC-32C', crc32c],
  ['CRC-64/NVME', crc64nvme],
])('%s is the same however the bytes come in pieces', (_name, make) => {
  const bytes = Buffer.from(Array.from({ length: 1_000 }, (_, at) => (at * 7919) % 251));
  const whole = digest(make(), [bytes]);
  for (const cut of [1, 7, 8, 9, 500, 993, 999]) {
    expect(digest(make(), [bytes.subarray(0, cut), bytes.subarray(cut)])).toBe(whole);
  }
  expect(digest(make(), [bytes.subarray(1)])).not.toBe(whole);
});

function digest(crc: Crc, pieces: readonly Buffer[]): string {
  for (const piece of pieces) crc.update(piece);
  return crc.digest().toString('hex');
}
