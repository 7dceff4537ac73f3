/** The headers that belong to an object: kept as they came, given back as they were. */

import { httpTime } from './answer.ts';
import { checksumNamed } from './checksums.ts';
import { METADATA_BYTES_MAX } from './limits.ts';
import type { StoredObject } from './objects-table.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';

const KEPT = new Set(['content-type', 'cache-control', 'content-disposition', 'content-language', 'expires']);
const META = 'x-amz-meta-';
const VERSION_HEADER = 'x-isla-version';

/** Headers that ask for what is not done here: refused, so that nobody believes it was. */
const REFUSED = [
  'x-amz-server-side-encryption',
  'x-amz-object-lock-',
  'x-amz-tagging',
  'x-amz-website-redirect-location',
  'x-amz-copy-source-if-',
  'x-amz-write-offset-bytes',
];

/** What of a request's headers is the object's. Throws S3Error `NotImplemented`, `MetadataTooLarge`. */
export function objectHeaders({ headers }: S3Request): Record<string, string> {
  const kept: Record<string, string> = {};
  let metaBytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    if (REFUSED.some((one) => name.startsWith(one))) throw new S3Error('NotImplemented', `${name} is not done here.`);
    if (name.startsWith(META)) metaBytes += name.length - META.length + Buffer.byteLength(value);
    if (KEPT.has(name) || name.startsWith(META)) kept[name] = value;
    if (name === 'content-encoding') {
      const codings = value.split(',').filter((one) => one.trim().toLowerCase() !== 'aws-chunked');
      if (codings.length > 0) kept[name] = codings.join(',').trim();
    }
  }
  if (metaBytes > METADATA_BYTES_MAX) {
    throw new S3Error('MetadataTooLarge', `The metadata has ${metaBytes} bytes; ${METADATA_BYTES_MAX} are taken.`);
  }
  return kept;
}

/** What GET and HEAD say of an object. */
export function headersOf(
  object: StoredObject,
  { query, headers }: S3Request,
  isBundle: boolean,
): Record<string, string> {
  const answer: Record<string, string> = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    etag: `"${object.etag}"`,
    'last-modified': httpTime(object.modifiedMs),
    'accept-ranges': 'bytes',
  };
  // Of the object as a whole: no client can compare it with a part.
  const wantsChecksums = headers['x-amz-checksum-mode']?.toUpperCase() === 'ENABLED' && headers.range === undefined;
  for (const name of Object.keys(answer)) if (!wantsChecksums && checksumNamed(name)) delete answer[name];
  for (const [name, value] of query) {
    if (name.startsWith('response-')) answer[name.slice('response-'.length)] = value;
  }
  if (isBundle) answer[VERSION_HEADER] = object.blob;
  return answer;
}

/** What the answer to a write says. */
export function writtenHeaders(object: StoredObject, isBundle: boolean): Record<string, string> {
  const answer: Record<string, string> = { etag: `"${object.etag}"` };
  for (const [name, value] of Object.entries(object.headers)) if (checksumNamed(name)) answer[name] = value;
  if (isBundle) answer[VERSION_HEADER] = object.blob;
  return answer;
}
