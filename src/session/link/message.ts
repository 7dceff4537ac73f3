/**
 * Messages between an agent and its gateway: an array as JSON, in a text frame; or, where bytes go along, in a binary
 * frame `u32 length of the JSON, big endian | JSON | bytes`, so that they are never text.
 */
import { Failure } from '../../config/failure.ts';

const LENGTH_BYTES = 4;

/** What the other end takes at most, in bytes: a file that is moved as a whole. A larger frame would end the link. */
export const MESSAGE_BYTES_MAX = 67_108_864;
/** A unit of a string takes no more of UTF-8. */
const UNIT_BYTES_MAX = 3;

export type Frame = string | Buffer;

export interface Message {
  /** Kind, number of the call, and what the kind has. */
  head: readonly unknown[];
  bytes: Buffer | undefined;
}

/** Throws Failure `session-invalid` if it is too large. */
export function encode(head: readonly unknown[], bytes?: Uint8Array): Frame {
  const json = JSON.stringify(head);
  const most = json.length * UNIT_BYTES_MAX + (bytes?.length ?? 0);
  if (most > MESSAGE_BYTES_MAX) refuseOver(Buffer.byteLength(json) + (bytes?.length ?? 0));
  if (bytes === undefined) return json;
  const length = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + length + bytes.length);
  frame.writeUInt32BE(length, 0);
  frame.write(json, LENGTH_BYTES, 'utf8');
  frame.set(bytes, LENGTH_BYTES + length);
  return frame;
}

function refuseOver(size: number): void {
  if (size + LENGTH_BYTES <= MESSAGE_BYTES_MAX) return;
  const most = `${MESSAGE_BYTES_MAX} go between a gateway and its agents at once`;
  throw new Failure('session-invalid', `${size} bytes are too many: ${most}`);
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
