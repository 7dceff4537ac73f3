/** Makes archives by hand, byte by byte: good ones, and such as no honest program writes. */
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

export interface TarItem {
  name: string;
  /** The header's type flag; `0` for a file. */
  type?: string;
  mode?: number;
  body?: string | Buffer;
  link?: string;
  /** What the header says; the body's length if it is not given. */
  size?: number;
  /** Added to the sum of the header. */
  wrongSum?: number;
}

const BLOCK = 512;

export function tarBlocks(items: readonly TarItem[]): Buffer {
  return Buffer.concat(items.map(tarItem));
}

/** With its end mark. */
export function tar(items: readonly TarItem[]): Buffer {
  return Buffer.concat([tarBlocks(items), Buffer.alloc(2 * BLOCK)]);
}

export function tarGz(items: readonly TarItem[]): Buffer {
  return gzipSync(tar(items));
}

function tarItem({ name, type = '0', mode = 0o644, body = '', link = '', size, wrongSum = 0 }: TarItem): Buffer {
  const data = Buffer.from(body as string);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  header.write(name, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size ?? data.length, 124, 12);
  octal(0, 136, 12);
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write(link, 157, 100);
  header.write('ustar\x0000', 257, 'latin1');
  octal(header.reduce((sum, byte) => sum + byte, 0) + wrongSum, 148, 7);
  return Buffer.concat([header, data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}

/** A pax header with these records, whose lengths are right. */
export function pax(records: Readonly<Record<string, string>>, type = 'x'): TarItem {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`);
    let length = rest + 1;
    while (String(length).length + rest !== length) length = String(length).length + rest;
    return `${length} ${key}=${value}\n`;
  });
  return { name: 'pax', type, body: lines.join('') };
}

export interface ZipItem {
  name: string | Buffer;
  body?: string | Buffer;
  /** Unix mode with its type bits; none if the archive is not made by Unix. */
  mode?: number;
  stored?: boolean;
  flags?: number;
  /** What only the header before the data says. */
  local?: Partial<ZipFacts>;
  /** What only the directory says. */
  central?: Partial<ZipFacts>;
  /** Both say it. */
  facts?: Partial<ZipFacts>;
  extra?: Buffer;
  /** Sizes follow the data. */
  descriptor?: boolean;
}

interface ZipFacts {
  name: Buffer;
  method: number;
  crc: number;
  compressed: number;
  bytes: number;
  offset: number;
}

export interface ZipOptions {
  before?: Buffer;
  between?: Buffer;
  comment?: Buffer;
  entryCount?: number;
}

export function zip(items: readonly ZipItem[], { before, between, comment, entryCount }: ZipOptions = {}): Buffer {
  const parts: Buffer[] = [before ?? Buffer.alloc(0)];
  const directory: Buffer[] = [];
  let at = parts[0]?.length ?? 0;
  for (const item of items) {
    const body = Buffer.from((item.body ?? '') as string);
    const data = item.stored ? body : deflateRawSync(body);
    const name = Buffer.from(item.name as string);
    const method = item.stored ? 0 : 8;
    const facts = {
      name,
      method,
      crc: crc32(body),
      compressed: data.length,
      bytes: body.length,
      offset: at,
      ...item.facts,
    };
    const flags = (item.flags ?? 0x800) | (item.descriptor ? 8 : 0);
    const said = item.descriptor ? { ...facts, crc: 0, compressed: 0, bytes: 0 } : facts;
    const local = localHeader({ ...said, ...item.local }, flags);
    const tail = item.descriptor ? descriptor(facts) : Buffer.alloc(0);
    parts.push(local, data, tail, between ?? Buffer.alloc(0));
    at += local.length + data.length + tail.length + (between?.length ?? 0);
    directory.push(centralHeader({ ...facts, ...item.central }, flags, item));
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entryCount ?? items.length, 8);
  end.writeUInt16LE(entryCount ?? items.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment?.length ?? 0, 20);
  return Buffer.concat([...parts, central, end, comment ?? Buffer.alloc(0)]);
}

function localHeader({ name, method, crc, compressed, bytes }: ZipFacts, flags: number): Buffer {
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(compressed, 18);
  header.writeUInt32LE(bytes, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name]);
}

function descriptor({ crc, compressed, bytes }: ZipFacts): Buffer {
  const data = Buffer.alloc(16);
  data.write('PK\x07\x08', 'latin1');
  data.writeUInt32LE(crc, 4);
  data.writeUInt32LE(compressed, 8);
  data.writeUInt32LE(bytes, 12);
  return data;
}

function centralHeader(facts: ZipFacts, flags: number, { mode, extra = Buffer.alloc(0) }: ZipItem): Buffer {
  const header = Buffer.alloc(46);
  header.write('PK\x01\x02', 'latin1');
  header.writeUInt16LE(20 | ((mode === undefined ? 0 : 3) << 8), 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(flags, 8);
  header.writeUInt16LE(facts.method, 10);
  header.writeUInt32LE(facts.crc, 16);
  header.writeUInt32LE(facts.compressed, 20);
  header.writeUInt32LE(facts.bytes, 24);
  header.writeUInt16LE(facts.name.length, 28);
  header.writeUInt16LE(extra.length, 30);
  header.writeUInt32LE(((mode ?? 0) << 16) >>> 0, 38);
  header.writeUInt32LE(facts.offset, 42);
  return Buffer.concat([header, facts.name, extra]);
}

/** One field of a zip's extra data. */
export function extraField(id: number, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(data.length, 2);
  return Buffer.concat([head, data]);
}

export function uint64(...values: number[]): Buffer {
  const buffer = Buffer.alloc(8 * values.length);
  for (const [at, value] of values.entries()) buffer.writeBigUInt64LE(BigInt(value), at * 8);
  return buffer;
}
