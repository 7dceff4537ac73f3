/**
 * The frames between worker and sandbox: `u32 length | u8 kind | payload`, big-endian, where length
 * counts the payload alone. A payload is `u16 metaLength | meta (JSON) | body`. Both sides are pinned by
 * test/fixtures/frames.json; the other side is runtime/python/frames.py.
 */
export const FRAME_KIND = {
  call: 0x01,
  load: 0x02,
  result: 0x11,
  raised: 0x12,
  initFailed: 0x13,
  eventInvalid: 0x14,
  loaded: 0x15,
  printedBefore: 0x16,
  head: 0x17,
  part: 0x18,
  message: 0x21,
} as const;

export const FRAME_HEADER_BYTES = 5;
const META_LENGTH_BYTES = 2;

export interface Frame {
  kind: number;
  meta: Buffer;
  body: Buffer;
}

/** Up to this size a body is copied to its frame's head: one write of one buffer costs less than one of two. */
const COPIED_BYTES_MAX = 16_384;

/** The frame, in one buffer or two. `meta` is ASCII. */
export function encodeFrame(kind: number, meta: string, body: Uint8Array): readonly [Uint8Array, Uint8Array?] {
  const bodyStart = FRAME_HEADER_BYTES + META_LENGTH_BYTES + meta.length;
  const copied = body.byteLength <= COPIED_BYTES_MAX;
  const head = Buffer.allocUnsafe(copied ? bodyStart + body.byteLength : bodyStart);
  head.writeUInt32BE(META_LENGTH_BYTES + meta.length + body.byteLength, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt16BE(meta.length, FRAME_HEADER_BYTES);
  head.write(meta, FRAME_HEADER_BYTES + META_LENGTH_BYTES, 'latin1');
  if (!copied) return [head, body];
  head.set(body, bodyStart);
  return [head];
}

export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/**
 * Puts frames together from the pieces that a socket delivers, which may all come in the same buffer: a frame is
 * copied once, into a buffer of its own size, however small its pieces are.
 */
export class FrameReader {
  /** May be set anew between two frames. */
  payloadBytesMax: number;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  #partial: Buffer | undefined;
  #partialFilled = 0;

  constructor(payloadBytesMax: number) {
    this.payloadBytesMax = payloadBytesMax;
  }

  /** All frames completed by this piece. Throws FrameError on a frame that is too long or malformed. */
  push(piece: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = piece;
    while (rest.length > 0) {
      const whole = this.#takeWhole(rest) ?? this.#fill(rest);
      if (whole.frame !== undefined) frames.push(parseFrame(whole.frame));
      rest = rest.subarray(whole.used);
    }
    return frames;
  }

  #takeWhole(piece: Buffer): Taken | undefined {
    if (this.#partial !== undefined || this.#headerFilled > 0 || piece.length < FRAME_HEADER_BYTES) return undefined;
    const total = this.#totalBytes(piece);
    return piece.length < total ? undefined : { frame: Buffer.from(piece.subarray(0, total)), used: total };
  }

  #fill(piece: Buffer): Taken {
    if (this.#partial === undefined) {
      const used = piece.copy(this.#header, this.#headerFilled);
      this.#headerFilled += used;
      if (this.#headerFilled < FRAME_HEADER_BYTES) return { frame: undefined, used };
      this.#partial = Buffer.allocUnsafe(this.#totalBytes(this.#header));
      this.#partialFilled = this.#header.copy(this.#partial);
      return { frame: undefined, used };
    }
    const used = piece.copy(this.#partial, this.#partialFilled);
    this.#partialFilled += used;
    if (this.#partialFilled < this.#partial.length) return { frame: undefined, used };
    const frame = this.#partial;
    this.#partial = undefined;
    this.#headerFilled = 0;
    return { frame, used };
  }

  #totalBytes(header: Buffer): number {
    const payloadBytes = header.readUInt32BE(0);
    if (payloadBytes < META_LENGTH_BYTES || payloadBytes > this.payloadBytesMax) {
      throw new FrameError(
        `a frame announces ${payloadBytes} bytes; ${META_LENGTH_BYTES} to ${this.payloadBytesMax} are legal`,
      );
    }
    return FRAME_HEADER_BYTES + payloadBytes;
  }
}

interface Taken {
  frame: Buffer | undefined;
  /** Bytes of the piece that are dealt with. */
  used: number;
}

function parseFrame(whole: Buffer): Frame {
  const metaStart = FRAME_HEADER_BYTES + META_LENGTH_BYTES;
  const metaBytes = whole.readUInt16BE(FRAME_HEADER_BYTES);
  const bodyStart = metaStart + metaBytes;
  if (bodyStart > whole.length) throw new FrameError(`a frame's meta is ${metaBytes} bytes, longer than the frame`);
  return { kind: whole.readUInt8(4), meta: whole.subarray(metaStart, bodyStart), body: whole.subarray(bodyStart) };
}
