import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Files `<stem>.<number><suffix>` of one directory, the newest with the highest number. */
export class NumberedFiles {
  readonly #dir: string;
  readonly #stem: string;
  readonly #suffix: string;

  constructor(dir: string, stem: string, suffix: string) {
    this.#dir = dir;
    this.#stem = stem;
    this.#suffix = suffix;
  }

  path(number: number): string {
    return join(this.#dir, `${this.#stem}.${number}${this.#suffix}`);
  }

  /** The numbers of those that there are, rising. */
  list(): number[] {
    const numbers = readdirSync(this.#dir).map((name) => this.#numberOf(name));
    return numbers.filter((number) => number !== undefined).sort((a, b) => a - b);
  }

  #numberOf(name: string): number | undefined {
    if (!name.startsWith(`${this.#stem}.`) || !name.endsWith(this.#suffix)) return undefined;
    const digits = name.slice(this.#stem.length + 1, name.length - this.#suffix.length);
    return /^[1-9][0-9]{0,14}$/.test(digits) ? Number(digits) : undefined;
  }
}
