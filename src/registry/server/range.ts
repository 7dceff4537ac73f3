import { type ByteRange, byteRangeOf } from '../../lib/byte-range.ts';
import { S3Error } from './s3-error.ts';

/** The one range that a header names; undefined for all of it. Throws S3Error `InvalidRange`. */
export function rangeOf(header: string | undefined, size: number): ByteRange | undefined {
  const range = byteRangeOf(header, size);
  if (range !== 'unsatisfiable') return range;
  throw new S3Error('InvalidRange', 'The requested range is not satisfiable', { ActualObjectSize: String(size) });
}
