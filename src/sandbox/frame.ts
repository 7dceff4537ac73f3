/**
 * The frames between worker and sandbox: `u32 length | u8 kind | payload`, big-endian, where length
 * counts the payload alone. A payload is `u16 metaLength | meta (JSON) | body`. Both sides are pinned by
 * test/fixtures/frames.json; the other side is runtime/python/frames.py.
 */
export const FRAME_KIND = {
  call: 0x01,
  result: 0x11,
  raised: 0x12,
  initFailed: 0x13,
  eventInvalid: 0x14,
} as const;

export const FRAME_HEADER_BYTES = 5;

export interface Frame {
  kind: number;
  meta: Buffer;
  body: Buffer;
}

/** The frame's head: everything before the body, so that the body need not be copied. */
export function encodeFrameHead(kind: number, meta: string, bodyBytes: number): Buffer {
  const metaBytes = Buffer.byteLength(meta);
  const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 2 + metaBytes);
  head.writeUInt32BE(2 + metaBytes + bodyBytes, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt16BE(metaBytes, FRAME_HEADER_BYTES);
  head.write(meta, FRAME_HEADER_BYTES + 2);
  return head;
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Puts frames together from the pieces that a socket delivers. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #buffered = 0;
  /** A longer frame is refused as soon as it announces itself. */
  payloadBytesMax: number;

  constructor(payloadBytesMax: number) {
    this.payloadBytesMax = payloadBytesMax;
  }

  /** All frames completed by this piece. Throws FrameError on a frame that is too long or malformed. */
  push(piece: Buffer): Frame[] {
    this.#pieces.push(piece);
    this.#buffered += piece.length;
    const frames: Frame[] = [];
    for (;;) {
      const frame = this.#take();
      if (frame === undefined) return frames;
      frames.push(frame);
    }
  }

  #take(): Frame | undefined {
    if (this.#buffered < FRAME_HEADER_BYTES) return undefined;
    const head = this.#front(FRAME_HEADER_BYTES);
    const payloadBytes = head.readUInt32BE(0);
    if (payloadBytes < 2 || payloadBytes > this.payloadBytesMax) {
      throw new FrameError(`a frame announces ${payloadBytes} bytes; 2 to ${this.payloadBytesMax} are legal`);
    }
    const total = FRAME_HEADER_BYTES + payloadBytes;
    if (this.#buffered < total) return undefined;
    const whole = this.#front(total);
    this.#pieces[0] = whole.subarray(total);
    this.#buffered -= total;
    if (this.#buffered === 0) this.#pieces = [];
    const metaBytes = whole.readUInt16BE(FRAME_HEADER_BYTES);
    const bodyStart = FRAME_HEADER_BYTES + 2 + metaBytes;
    if (bodyStart > total) throw new FrameError(`a frame's meta is ${metaBytes} bytes in a payload of ${payloadBytes}`);
    return {
      kind: whole.readUInt8(4),
      meta: whole.subarray(FRAME_HEADER_BYTES + 2, bodyStart),
      body: whole.subarray(bodyStart, total),
    };
  }

  /** The first piece, joined with those behind it until it holds `bytes`; only joins when it must. */
  #front(bytes: number): Buffer {
    const first = this.#pieces[0] as Buffer;
    if (first.length >= bytes) return first;
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}
