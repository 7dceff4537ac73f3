/** Lists that are told in pages: `MaxItems` of them, from `Marker` on. */
import { AwsError } from './aws-error.ts';

const ITEMS_MAX = 10_000;

export interface Page<T> {
  items: T[];
  /** Where the next page begins; null if there is none. */
  next: string | null;
}

/** Throws AwsError `InvalidParameterValueException`. */
export function pageOf<T>(all: readonly T[], query: URLSearchParams): Page<T> {
  const at = numberIn(query, 'Marker', { min: 0, otherwise: 0 });
  const items = all.slice(at, at + numberIn(query, 'MaxItems', { min: 1, otherwise: ITEMS_MAX }));
  const end = at + items.length;
  return { items, next: items.length > 0 && end < all.length ? String(end) : null };
}

function numberIn(
  query: URLSearchParams,
  name: string,
  { min, otherwise }: { min: number; otherwise: number },
): number {
  const text = query.get(name);
  if (text === null || text === '') return otherwise;
  const number = /^[0-9]{1,9}$/.test(text) ? Number(text) : -1;
  if (number >= min) return Math.min(number, name === 'MaxItems' ? ITEMS_MAX : number);
  throw new AwsError('InvalidParameterValueException', `${name} is not a number from ${min} on.`);
}
