/** Requests about one object. */
import { openSync } from 'node:fs';
import { isoTime, type S3Answer, xmlAnswer } from './answer.ts';
import { checksumHeader } from './checksums.ts';
import { checkRead, checkWrite } from './conditions.ts';
import type { ObjectExchange } from './exchange.ts';
import { lambdaOf } from './lambda-object.ts';
import { OBJECT_BYTES_MAX } from './limits.ts';
import { headersOf, objectHeaders, writtenHeaders } from './object-headers.ts';
import type { Place, StoredObject } from './objects-table.ts';
import { rangeOf } from './range.ts';
import { readPlace } from './request.ts';
import { S3Error } from './s3-error.ts';
import { spool } from './spool.ts';
import { noSuchBucket, type Store } from './store.ts';
import { uploadBody } from './upload-body.ts';

/** GET and HEAD. */
export function getObject({ request, store, place }: ObjectExchange): S3Answer {
  const object = existing(store, place);
  const { headers, method } = request;
  const answer = headersOf(object, request, isBundle(place));
  if (!checkRead(headers, object)) return { status: 304, headers: answer };
  const wantsPart = headers['if-range'] === undefined || headers['if-range'] === `"${object.etag}"`;
  const range = wantsPart ? rangeOf(headers.range, object.bytes) : undefined;
  const { start, bytes } = range ?? { start: 0, bytes: object.bytes };
  answer['content-length'] = String(bytes);
  if (range !== undefined) answer['content-range'] = `bytes ${start}-${start + bytes - 1}/${object.bytes}`;
  const status = range === undefined ? 200 : 206;
  if (method === 'HEAD') return { status, headers: answer };
  // In the turn of the look-up: who deletes the object now does not take the open file away.
  return { status, headers: answer, body: { fd: openSync(store.blobs.path(object.blob), 'r'), start, bytes } };
}

export async function putObject({ request, verified, store, place }: ObjectExchange): Promise<S3Answer> {
  if (store.objects.bucket(place.bucket) === undefined) throw noSuchBucket();
  lambdaOf(place);
  const headers = objectHeaders(request);
  const precondition = (before: StoredObject | undefined) => checkWrite(request.headers, before);
  precondition(store.objects.get(place));
  const body = uploadBody(request, verified, OBJECT_BYTES_MAX);
  return store.withTemp(async (file) => {
    const spooled = await spool(body.source, file.handle, { bytesMax: OBJECT_BYTES_MAX, checksum: body.checksum });
    body.check(spooled);
    if (body.checksum !== undefined) headers[checksumHeader(body.checksum)] = spooled.checksum as string;
    const etag = spooled.md5.toString('hex');
    const stored = await store.put({ place, file, spooled, etag, headers, precondition });
    return { status: 200, headers: writtenHeaders(stored, isBundle(place)) };
  });
}

/** The bytes stay where they are; another object refers to them, too. */
export async function copyObject({ request, store, place }: ObjectExchange): Promise<S3Answer> {
  const own = objectHeaders(request);
  const source = existing(store, copySource(request.headers['x-amz-copy-source']));
  const replaces = request.headers['x-amz-metadata-directive']?.toUpperCase() === 'REPLACE';
  const { blob, etag } = source;
  await store.checkBundle(place, store.blobs.path(blob));
  const stored = await store.change((step) => {
    checkWrite(request.headers, store.objects.get(place));
    // It may have been deleted meanwhile, and its bytes with it.
    if (store.objects.blobBytes(blob) === undefined) throw noSuchKey();
    return store.place(step, { ...place, blob, etag, headers: replaces ? own : source.headers });
  });
  const content = { LastModified: isoTime(stored.modifiedMs), ETag: `"${etag}"` };
  const { etag: _, ...headers } = writtenHeaders(stored, isBundle(place));
  const answer = xmlAnswer('CopyObjectResult', content);
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

/** An object that is not there is deleted already. */
export async function deleteObject({ store, place }: ObjectExchange): Promise<S3Answer> {
  if (store.objects.bucket(place.bucket) === undefined) throw noSuchBucket();
  await store.free((step) => store.remove(step, place));
  return { status: 204, headers: {} };
}

/** There are none here, which clients that copy objects ask. */
export function getTags({ store, place }: ObjectExchange): S3Answer {
  existing(store, place);
  return xmlAnswer('Tagging', { TagSet: {} });
}

/** The place that an `x-amz-copy-source` header names. */
export function copySource(header: string | undefined): Place {
  const [path = '', query = ''] = (header ?? '').split('?');
  const { bucket, key } = readPlace(path.startsWith('/') ? path : `/${path}`);
  if (bucket === undefined || key === undefined || (query !== '' && query !== 'versionId=null')) {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source is not BUCKET/KEY.');
  }
  return { bucket, key };
}

/** Throws S3Error `NoSuchKey`, `NoSuchBucket`. */
export function existing(store: Store, place: Place): StoredObject {
  const object = store.objects.get(place);
  if (object !== undefined) return object;
  if (store.objects.bucket(place.bucket) === undefined) throw noSuchBucket();
  throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: place.key });
}

/** An object that has such a key was stored, so its name was good. */
export function isBundle(place: Place): boolean {
  return lambdaOf(place) !== undefined;
}

function noSuchKey(): S3Error {
  return new S3Error('NoSuchKey', 'The source of the copy was deleted meanwhile.');
}
