/**
 * The memory for request bodies. What a body will take is claimed before it is read, and given back
 * when its request has been answered. Small and large ones have memory of their own each.
 */
import type { IncomingMessage } from 'node:http';
import { LARGE_BODIES_BYTES_MAX, SMALL_BODIES_BYTES_MAX, SMALL_BODY_BYTES } from './limits.ts';

export interface BodyMemoryOptions {
  /** Of one body. */
  bodyBytesMax: number;
  /** Of all bodies that are not small. At least one of the largest always has room. */
  largeBytesMax?: number;
}

export class BodyMemory {
  readonly bodyBytesMax: number;
  readonly #small = new Purse(SMALL_BODIES_BYTES_MAX);
  readonly #large: Purse;

  constructor({ bodyBytesMax, largeBytesMax = LARGE_BODIES_BYTES_MAX }: BodyMemoryOptions) {
    this.bodyBytesMax = bodyBytesMax;
    this.#large = new Purse(Math.max(largeBytesMax, bodyBytesMax));
  }

  /** Bytes that are claimed now. */
  get takenBytes(): number {
    return this.#small.takenBytes + this.#large.takenBytes;
  }

  /** A claim to no bytes yet. */
  claim(): BodyClaim {
    return new BodyClaim(this.#small, this.#large);
  }

  /** Whether a body of the length that the request announces would be read now. */
  admits(incoming: IncomingMessage): boolean {
    const bytes = announcedBytes(incoming);
    return bytes <= this.bodyBytesMax && (bytes <= SMALL_BODY_BYTES ? this.#small : this.#large).has(bytes);
  }
}

/** What one body takes. */
export class BodyClaim {
  readonly #small: Purse;
  readonly #large: Purse;
  #bytes = 0;

  constructor(small: Purse, large: Purse) {
    this.#small = small;
    this.#large = large;
  }

  get large(): boolean {
    return this.#bytes > SMALL_BODY_BYTES;
  }

  /** From now on it is `bytes` in all, unless it is more already; false, and nothing has changed, if there is no room. */
  growTo(bytes: number): boolean {
    if (bytes <= this.#bytes) return true;
    const before = this.#purse();
    const after = bytes <= SMALL_BODY_BYTES ? this.#small : this.#large;
    const more = before === after ? bytes - this.#bytes : bytes;
    if (!after.has(more)) return false;
    after.takenBytes += more;
    if (before !== after) before.takenBytes -= this.#bytes;
    this.#bytes = bytes;
    return true;
  }

  /** Gives everything back. */
  release(): void {
    this.#purse().takenBytes -= this.#bytes;
    this.#bytes = 0;
  }

  #purse(): Purse {
    return this.large ? this.#large : this.#small;
  }
}

class Purse {
  takenBytes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  has(bytes: number): boolean {
    return this.takenBytes + bytes <= this.#bytesMax;
  }
}

/** 0 if it comes in pieces, or not at all. */
export function announcedBytes(incoming: IncomingMessage): number {
  const announced = incoming.headers['content-length'];
  return announced === undefined ? 0 : Number(announced);
}
