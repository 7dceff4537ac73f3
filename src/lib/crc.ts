/** Checksums of zip files and of S3 that Node does not have, or only since 20.15: CRC-32, CRC-32C (Castagnoli) and CRC-64/NVME. */

/** Takes bytes piece by piece. */
export interface Crc {
  update(bytes: Uint8Array): void;
  /** Big-endian. */
  digest(): Buffer;
}

/** Bytes per step: eight tables of 256 turn eight bytes into eight look-ups that do not wait for each other. */
const SLICES = 8;

/** As two halves of 32 bits: JavaScript's 64-bit integers are a hundred times slower. */
interface Tables {
  low: Int32Array;
  high: Int32Array;
}

let crc32Tables: Tables | undefined;
let crc32cTables: Tables | undefined;
let crc64Tables: Tables | undefined;

export function crc32(): Crc {
  crc32Tables ??= makeTables(0xedb88320, 0);
  return crcOf32Bits(crc32Tables);
}

export function crc32c(): Crc {
  crc32cTables ??= makeTables(0x82f63b78, 0);
  return crcOf32Bits(crc32cTables);
}

function crcOf32Bits({ low: table }: Tables): Crc {
  let crc = -1;
  return {
    update(bytes) {
      let at = 0;
      for (const end = bytes.length - 7; at < end; at += SLICES) {
        crc = slice8(table, crc ^ word(bytes, at), word(bytes, at + 4));
      }
      for (; at < bytes.length; at += 1) crc = (crc >>> 8) ^ entry(table, 0, crc ^ (bytes[at] as number));
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(~crc);
      return bytes;
    },
  };
}

export function crc64nvme(): Crc {
  crc64Tables ??= makeTables(0xac4bc9b5, 0x9a6c9329);
  const { low: lows, high: highs } = crc64Tables;
  let low = -1;
  let high = -1;
  return {
    update(bytes) {
      let at = 0;
      for (const end = bytes.length - 7; at < end; at += SLICES) {
        const first = low ^ word(bytes, at);
        const second = high ^ word(bytes, at + 4);
        low = slice8(lows, first, second);
        high = slice8(highs, first, second);
      }
      for (; at < bytes.length; at += 1) {
        const index = low ^ (bytes[at] as number);
        low = ((low >>> 8) | (high << 24)) ^ entry(lows, 0, index);
        high = (high >>> 8) ^ entry(highs, 0, index);
      }
    },
    digest() {
      const bytes = Buffer.alloc(8);
      bytes.writeInt32BE(~high, 0);
      bytes.writeInt32BE(~low, 4);
      return bytes;
    },
  };
}

function slice8(table: Int32Array, first: number, second: number): number {
  return (
    entry(table, 7, first) ^
    entry(table, 6, first >>> 8) ^
    entry(table, 5, first >>> 16) ^
    entry(table, 4, first >>> 24) ^
    entry(table, 3, second) ^
    entry(table, 2, second >>> 8) ^
    entry(table, 1, second >>> 16) ^
    entry(table, 0, second >>> 24)
  );
}

function entry(table: Int32Array, slice: number, index: number): number {
  return table[(slice << 8) | (index & 0xff)] as number;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** The polynomial is given reflected, as its halves; one of 32 bits has no high half. */
function makeTables(polynomialLow: number, polynomialHigh: number): Tables {
  const low = new Int32Array(SLICES * 256);
  const high = new Int32Array(SLICES * 256);
  for (let index = 0; index < 256; index += 1) {
    let [l, h] = [index, 0];
    for (let bit = 0; bit < 8; bit += 1) {
      const carry = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (carry) [l, h] = [l ^ polynomialLow, h ^ polynomialHigh];
    }
    low[index] = l;
    high[index] = h;
  }
  for (let at = 256; at < low.length; at += 1) {
    const [l, h] = [low[at - 256] as number, high[at - 256] as number];
    low[at] = ((l >>> 8) | (h << 24)) ^ (low[l & 0xff] as number);
    high[at] = (h >>> 8) ^ (high[l & 0xff] as number);
  }
  return { low, high };
}
