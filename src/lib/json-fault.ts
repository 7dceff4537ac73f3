/** Where a text stops being JSON, counted from 1. */
export interface JsonFault {
  line: number;
  column: number;
  /** What stands there: a letter in quotes, or `the end of the text`. */
  found: string;
}

/** Deeper nesting is given up on; the fault is said to be there. */
const DEPTH_MAX = 500;

const BLANK = /[ \t\n\r]*/y;
const STRING = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.])/y;

/**
 * JSON.parse names the place only of some faults, and in other words in each version of Node.
 * Undefined if the text is JSON.
 */
export function jsonFault(text: string): JsonFault | undefined {
  const reader = new Reader(text);
  if (reader.value(0) && reader.isAtEnd()) return undefined;
  const before = text.slice(0, reader.at);
  const letter = text.slice(reader.at)[Symbol.iterator]().next().value;
  return {
    line: before.split('\n').length,
    column: before.length - before.lastIndexOf('\n'),
    found: letter === undefined ? 'the end of the text' : JSON.stringify(letter),
  };
}

/** Stops at the first thing that does not belong there. */
class Reader {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#skip(BLANK);
    return this.at === this.#text.length;
  }

  value(depth: number): boolean {
    this.#skip(BLANK);
    if (depth > DEPTH_MAX) return false;
    if (this.#is('{')) return this.#members('}', () => this.#member(depth));
    if (this.#is('[')) return this.#members(']', () => this.value(depth + 1));
    return this.#skip(STRING) || this.#skip(SCALAR);
  }

  #members(end: string, member: () => boolean): boolean {
    this.#skip(BLANK);
    if (this.#is(end)) return true;
    while (member()) {
      this.#skip(BLANK);
      if (this.#is(end)) return true;
      if (!this.#is(',')) return false;
    }
    return false;
  }

  #member(depth: number): boolean {
    this.#skip(BLANK);
    if (!this.#skip(STRING)) return false;
    this.#skip(BLANK);
    return this.#is(':') && this.value(depth + 1);
  }

  #is(letter: string): boolean {
    if (this.#text[this.at] !== letter) return false;
    this.at += 1;
    return true;
  }

  #skip(what: RegExp): boolean {
    what.lastIndex = this.at;
    const found = what.exec(this.#text);
    if (found === null) return false;
    this.at += found[0].length;
    return true;
  }
}
