/**
 * Frames between worker and sandbox: `u32 length | u8 kind | u16 meta length | meta | body`, big-endian.
 *
 * The length counts what follows the kind. The other side is sandbox/frame.ts; test/fixtures/frames.json pins them all.
 * Reading waits in the kernel and not in the event loop: between two calls nothing of the handler's runs, and a call is
 * one read and one write.
 */
import { readSync, writeSync } from 'node:fs';

// Bound now: a handler may replace them.
const { allocUnsafe, allocUnsafeSlow, byteLength } = Buffer;

export const CALL = 0x01;
export const LOAD = 0x02;
export const RESULT = 0x11;
export const RAISED = 0x12;
export const INIT_FAILED = 0x13;
export const EVENT_INVALID = 0x14;
export const LOADED = 0x15;
/** Not an answer: it comes before one, once at most. */
export const PRINTED_BEFORE = 0x16;
/** Not answers either: of one that comes bit by bit, what it begins with, and what follows. */
export const HEAD = 0x17;
export const PART = 0x18;

const HEAD_BYTES = 7;
const META_LENGTH_BYTES = 2;
/** Most frames come whole in one read of this size; what is larger gets a buffer of its own. */
const PIECE_BYTES = 16_384;

/** One end: a frame there, a frame back. `fd` is a connected socket that blocks. */
export class Channel {
  #fd;
  #piece = allocUnsafeSlow(PIECE_BYTES);

  constructor(fd) {
    this.#fd = fd;
  }

  /** One frame as {kind, meta, body}, which is good until the next is read; undefined when the other side has hung up. */
  read() {
    let data = this.#piece;
    let filled = 0;
    for (let total = HEAD_BYTES; filled < total; ) {
      const count = readSync(this.#fd, data, filled, data.length - filled, null);
      if (count === 0) return undefined;
      filled += count;
      if (filled < HEAD_BYTES) continue;
      total = HEAD_BYTES - META_LENGTH_BYTES + data.readUInt32BE(0);
      if (filled > total) throw new Error('a frame came while another was being answered');
      if (total > data.length) data = enlarged(data, filled, total);
    }
    const bodyStart = HEAD_BYTES + data.readUInt16BE(5);
    return { kind: data[4], meta: data.subarray(HEAD_BYTES, bodyStart), body: data.subarray(bodyStart, filled) };
  }

  /** `meta` is ASCII; `body` is text or bytes. */
  write(kind, meta, body) {
    const frame = encodeFrame(kind, meta, body);
    for (let written = 0; written < frame.length; ) written += writeSync(this.#fd, frame, written);
  }
}

export function encodeFrame(kind, meta, body) {
  const bodyBytes = byteLength(body);
  const bodyStart = HEAD_BYTES + meta.length;
  const frame = allocUnsafe(bodyStart + bodyBytes);
  frame.writeUInt32BE(META_LENGTH_BYTES + meta.length + bodyBytes, 0);
  frame[4] = kind;
  frame.writeUInt16BE(meta.length, 5);
  frame.latin1Write(meta, HEAD_BYTES);
  if (typeof body === 'string') frame.utf8Write(body, bodyStart);
  else frame.set(body, bodyStart);
  return frame;
}

function enlarged(piece, filled, total) {
  const whole = allocUnsafeSlow(total);
  piece.copy(whole, 0, 0, filled);
  return whole;
}
