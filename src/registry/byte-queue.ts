/** Bytes that come in pieces of any size, taken in the sizes that a format wants. */
import { refuse } from './bundle-name.ts';

export class ByteQueue {
  readonly #source: AsyncIterator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** So many bytes in one buffer, fewer only at the end. */
  async take(bytes: number): Promise<Buffer> {
    if (this.#piece.length >= bytes) return this.#cut(bytes);
    const pieces: Buffer[] = [];
    let taken = 0;
    while (taken < bytes && (await this.#more())) {
      const piece = this.#cut(Math.min(bytes - taken, this.#piece.length));
      pieces.push(piece);
      taken += piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** Yields what is left in pieces as they come, counting `left.bytes` down to 0. Throws if there is less. */
  async *piecewise(left: { bytes: number }): AsyncGenerator<Buffer> {
    while (left.bytes > 0) {
      if (!(await this.#more())) refuse('it is cut off inside a file');
      const piece = this.#cut(Math.min(left.bytes, this.#piece.length));
      left.bytes -= piece.length;
      yield piece;
    }
  }

  async skip(bytes: number): Promise<void> {
    for await (const _ of this.piecewise({ bytes }));
  }

  /** Whoever stops early says so, that the source can close its file. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  #cut(bytes: number): Buffer {
    const cut = this.#piece.subarray(0, bytes);
    this.#piece = this.#piece.subarray(bytes);
    return cut;
  }

  async #more(): Promise<boolean> {
    while (this.#piece.length === 0 && !this.#ended) {
      const next = await this.#source.next();
      if (next.done === true) this.#ended = true;
      else this.#piece = next.value;
    }
    return this.#piece.length > 0;
  }
}
