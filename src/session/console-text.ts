/** The last of what a session's console has shown, as text. */
import type { ConsoleItem } from './kernel.ts';

export class ConsoleText {
  readonly #charsMax: number;
  #pieces: string[] = [];
  #chars = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  add(items: readonly ConsoleItem[]): void {
    for (const [type, said] of items) {
      if (type === 'media' || type === 'html' || typeof said !== 'string') continue;
      this.#pieces.push(said);
      this.#chars += said.length;
    }
    // By half at a time: to join it costs as much as there is.
    if (this.#chars > this.#charsMax * 2 || this.#pieces.length > PIECES_MAX) this.shrink(this.#charsMax);
  }

  shrink(charsMax: number): void {
    const text = this.#pieces.join('').slice(-charsMax);
    this.#pieces = text === '' ? [] : [text];
    this.#chars = text.length;
  }

  toString(): string {
    this.shrink(this.#charsMax);
    return this.#pieces[0] ?? '';
  }
}

const PIECES_MAX = 4_096;
