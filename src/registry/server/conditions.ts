/** Conditional requests: which headers ask that something be so, and whether it is. */
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';

type Headers = S3Request['headers'];

interface Facts {
  etag: string;
  modifiedMs: number;
}

/** For GET and HEAD: false if the client has it already. Throws S3Error `PreconditionFailed`. */
export function checkRead(headers: Headers, { etag, modifiedMs }: Facts): boolean {
  const ifMatch = headers['if-match'];
  const unmodifiedSince = timeOf(headers['if-unmodified-since']);
  if (ifMatch !== undefined ? !lists(ifMatch, etag) : seconds(modifiedMs) > (unmodifiedSince ?? Infinity)) {
    throw failed(ifMatch !== undefined ? 'If-Match' : 'If-Unmodified-Since');
  }
  const ifNoneMatch = headers['if-none-match'];
  const modifiedSince = timeOf(headers['if-modified-since']);
  return ifNoneMatch !== undefined ? !lists(ifNoneMatch, etag) : seconds(modifiedMs) > (modifiedSince ?? -Infinity);
}

/** For what replaces an object, or makes it. Throws S3Error `PreconditionFailed`, `NoSuchKey`. */
export function checkWrite(headers: Headers, existing: Facts | undefined): void {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (existing === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.');
    if (!lists(ifMatch, existing.etag)) throw failed('If-Match');
  }
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined && existing !== undefined && lists(ifNoneMatch, existing.etag)) {
    throw failed('If-None-Match');
  }
}

function failed(condition: string): S3Error {
  const message = 'At least one of the pre-conditions you specified did not hold';
  return new S3Error('PreconditionFailed', message, { Condition: condition });
}

function lists(header: string, etag: string): boolean {
  return header.split(',').some((one) => {
    const text = one.trim().replace(/^W\//, '');
    return text === '*' || text.replace(/^"|"$/g, '') === etag;
  });
}

/** HTTP dates have whole seconds. */
function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

function timeOf(header: string | undefined): number | undefined {
  const ms = Date.parse(header ?? '');
  return Number.isNaN(ms) ? undefined : seconds(ms);
}
