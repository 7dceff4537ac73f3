/** Takes the marks away that terminals put around what is pasted. Pure but for where it is. */

const BEGIN = '\x1b[200~';
const END = '\x1b[201~';
/** As wide as an indentation: a tab would ask for completion. */
const TAB = '    ';

export class PastedText {
  #inside = false;
  /** The begin of what may become a mark. */
  #pending = '';

  /** The text at hand is being pasted. */
  get isInside(): boolean {
    return this.#inside;
  }

  /** Characters that are meant, ends of lines as `\n`; none as long as this may be a mark. */
  take(character: string): string[] {
    const mark = this.#inside ? END : BEGIN;
    const pending = this.#pending + character;
    if (pending === mark) {
      this.#inside = !this.#inside;
      this.#pending = '';
      return [];
    }
    if (mark.startsWith(pending)) {
      // A lone escape is a key.
      this.#pending = pending;
      return [];
    }
    this.#pending = '';
    return [...pending].map((one) => this.#meant(one));
  }

  #meant(character: string): string {
    if (character === '\r') return '\n';
    return this.#inside && character === '\t' ? TAB : character;
  }
}
