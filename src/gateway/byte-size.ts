/** Sizes of memory as people write them: `256m`, `1g`, `1.5 GiB`, bytes. */

const SIZE = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgtp])(?:i?b)?|b|bytes?)?\s*$/i;
const LETTERS = 'kmgtp';

/** In bytes; undefined if it is none. */
export function readByteSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.floor(value) : undefined;
  const [, number, letter] = SIZE.exec(String(value)) ?? [];
  if (number === undefined) return undefined;
  const power = letter === undefined ? 0 : LETTERS.indexOf(letter.toLowerCase()) + 1;
  const bytes = Math.floor(Number(number) * 1_024 ** power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
