/**
 * Messages between an agent and its gateway: an array as JSON, in a text frame; or, where bytes go along, in a binary
 * frame `u32 length of the JSON, big endian | JSON | bytes`, so that they are never text.
 */
const LENGTH_BYTES = 4;

export type Frame = string | Buffer;

export interface Message {
  /** Kind, number of the call, and what the kind has. */
  head: readonly unknown[];
  bytes: Buffer | undefined;
}

export function encode(head: readonly unknown[], bytes?: Uint8Array): Frame {
  const json = JSON.stringify(head);
  if (bytes === undefined) return json;
  const length = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + length + bytes.length);
  frame.writeUInt32BE(length, 0);
  frame.write(json, LENGTH_BYTES, 'utf8');
  frame.set(bytes, LENGTH_BYTES + length);
  return frame;
}

/** Throws Error if it is no message. */
export function decode(data: Buffer, isBinary: boolean): Message {
  if (!isBinary) return { head: headOf(data.toString('utf8')), bytes: undefined };
  const end = data.length < LENGTH_BYTES ? Number.POSITIVE_INFINITY : LENGTH_BYTES + data.readUInt32BE(0);
  if (end > data.length) throw new Error('a binary frame that is shorter than it says');
  return { head: headOf(data.toString('utf8', LENGTH_BYTES, end)), bytes: data.subarray(end) };
}

function headOf(json: string): readonly unknown[] {
  const head: unknown = JSON.parse(json);
  if (Array.isArray(head) && typeof head[0] === 'string') return head;
  throw new Error('a message that is no list with its kind first');
}
