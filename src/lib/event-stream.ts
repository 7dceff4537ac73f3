/** Messages of AWS's event stream encoding: headers that are strings, a payload, and sums of both. */
import { crc32 } from './crc.ts';

const PRELUDE_BYTES = 12;
const SUM_BYTES = 4;
const STRING = 7;

export function encodeMessage(headers: Readonly<Record<string, string>>, payload: Uint8Array): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => encodeHeader(name, value)));
  const message = Buffer.alloc(PRELUDE_BYTES + head.length + payload.length + SUM_BYTES);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(head.length, 4);
  message.set(sumOf(message.subarray(0, 8)), 8);
  message.set(head, PRELUDE_BYTES);
  message.set(payload, PRELUDE_BYTES + head.length);
  message.set(sumOf(message.subarray(0, -SUM_BYTES)), message.length - SUM_BYTES);
  return message;
}

function sumOf(bytes: Uint8Array): Buffer {
  const sum = crc32();
  sum.update(bytes);
  return sum.digest();
}

function encodeHeader(name: string, value: string): Buffer {
  const [named, valued] = [Buffer.from(name), Buffer.from(value)];
  const head = Buffer.from([STRING, valued.length >> 8, valued.length & 0xff]);
  return Buffer.concat([Buffer.from([named.length]), named, head, valued]);
}
