export interface ByteRange {
  start: number;
  bytes: number;
}

/** The one range that a `Range` header names; undefined for all of it, also where nothing of it is understood. */
export function byteRangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const found = /^bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))$/.exec(header?.trim() ?? '');
  // Several ranges, other units: whoever may not understand a range answers with everything.
  if (found === null) return undefined;
  const [, from, to, suffix] = found;
  const start = suffix === undefined ? Number(from) : Math.max(0, size - Number(suffix));
  const end = suffix !== undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== undefined && to !== '' && Number(to) < start) return undefined;
  if (start >= size || suffix === '0') return 'unsatisfiable';
  return { start, bytes: end - start + 1 };
}
