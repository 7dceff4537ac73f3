/** Pages of a bucket's keys, those with a common beginning folded into one. */
import type { ObjectsTable, StoredObject } from './objects-table.ts';

export interface ListingOrder {
  bucket: string;
  prefix: string;
  /** Keys are folded up to its first place behind the prefix; '' folds none. */
  delimiter: string;
  /** Only what comes later in the order of bytes. */
  after: string;
  /** Objects and common prefixes together. */
  max: number;
}

export interface Listing {
  objects: StoredObject[];
  commonPrefixes: string[];
  /** What to ask for keys after, if there are more. */
  next: string | undefined;
}

/** Rows that are read at a time where keys are folded: most may be skipped. */
const FOLDING_ROWS = 64;

export function listObjects(table: ObjectsTable, order: ListingOrder): Listing {
  const { bucket, prefix, delimiter, after, max } = order;
  const listing: Listing = { objects: [], commonPrefixes: [], next: undefined };
  const before = prefix === '' ? END : successor(prefix);
  let from = startOf(order);
  let last = after;
  for (;;) {
    const room = max - listing.objects.length - listing.commonPrefixes.length;
    const rows = table.page(bucket, { from, before, max: delimiter === '' ? room + 1 : FOLDING_ROWS });
    for (const row of rows) {
      if (listing.objects.length + listing.commonPrefixes.length >= max) {
        return { ...listing, next: max === 0 ? undefined : last };
      }
      const folded = commonPrefix(row.key, prefix, delimiter);
      if (folded === undefined) listing.objects.push(row);
      else listing.commonPrefixes.push(folded);
      last = folded ?? row.key;
      from = folded === undefined ? `${row.key}\0` : successor(folded);
      if (folded !== undefined) break;
    }
    if (rows.length === 0) return listing;
  }
}

/** After every key. */
const END = '\u{10FFFF}\u{10FFFF}';

/** The first key that may be listed. After a common prefix comes what does not begin with it. */
function startOf({ prefix, delimiter, after }: ListingOrder): string {
  if (after === '') return prefix;
  const folded = after.startsWith(prefix) ? commonPrefix(after, prefix, delimiter) : undefined;
  const start = folded === after ? successor(after) : `${after}\0`;
  return compare(start, prefix) > 0 ? start : prefix;
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  return at === -1 ? undefined : key.slice(0, at + delimiter.length);
}

/** The first text that does not begin with `text` and comes after all that do. */
export function successor(text: string): string {
  const points = [...text];
  while (points.length > 0) {
    const last = (points.pop() as string).codePointAt(0) as number;
    if (last === 0x10ffff) continue;
    // Surrogates are no characters.
    return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
  return END;
}

/** By bytes of UTF-8, as SQLite compares. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
