/** Output of a session's code for a terminal: its colours and returns, and nothing else that a terminal would obey. */
import { plainText } from '../../lib/plain-text.ts';

/** Colours, and clearing the rest of a line, as progress bars do. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what this is about
const PARTS = /\x1b\[[0-9;:]*m|\x1b\[[012]?K|[\n\r\t\b]/g;
/** What may become one of these with the next piece. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what this is about
const BEGUN = /\x1b(\[[0-9;:]{0,30})?$/;

export class TerminalText {
  readonly #hasColour: boolean;
  #begun = '';

  constructor(hasColour: boolean) {
    this.#hasColour = hasColour;
  }

  /** What can be shown of it now. */
  take(piece: string): string {
    const text = this.#begun + piece;
    this.#begun = BEGUN.exec(text)?.[0] ?? '';
    return this.#shown(text.slice(0, text.length - this.#begun.length));
  }

  /** What was held back and came to nothing. */
  end(): string {
    const rest = this.#shown(this.#begun);
    this.#begun = '';
    return rest;
  }

  #shown(text: string): string {
    let shown = '';
    let from = 0;
    for (const part of text.matchAll(PARTS)) {
      const isColour = part[0].endsWith('m');
      shown += plainText(text.slice(from, part.index)) + (isColour && !this.#hasColour ? '' : part[0]);
      from = part.index + part[0].length;
    }
    return shown + plainText(text.slice(from));
  }
}
