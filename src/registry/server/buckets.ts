/** Requests about the service and about buckets. */

import { encodeRfc3986 } from '../../lib/signature-v4.ts';
import { childText } from '../../lib/xml.ts';
import { isoTime, type S3Answer, xmlAnswer } from './answer.ts';
import type { Exchange } from './exchange.ts';
import { LAMBDAS_BUCKET } from './lambda-object.ts';
import { PAGE_KEYS_MAX } from './limits.ts';
import { type Listing, listObjects } from './listing.ts';
import type { StoredObject } from './objects-table.ts';
import { S3Error } from './s3-error.ts';
import { noSuchBucket, type Store } from './store.ts';
import { readDocument, readXml } from './upload-body.ts';

/** As S3's: what can be a part of a host's name. */
const BUCKET_NAME = /^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;

const OWNER = { ID: 'isla', DisplayName: 'isla' };

export function listBuckets({ store }: Exchange): S3Answer {
  const buckets = store.objects
    .buckets()
    .map(({ name, createdMs }) => ({ Name: name, CreationDate: isoTime(createdMs) }));
  return xmlAnswer('ListAllMyBucketsResult', { Owner: OWNER, Buckets: { Bucket: buckets } });
}

export async function createBucket({ store }: Exchange, bucket: string): Promise<S3Answer> {
  if (!BUCKET_NAME.test(bucket)) {
    throw new S3Error(
      'InvalidBucketName',
      'A bucket is named with 3 to 63 of a-z 0-9 . - and begins and ends with a-z 0-9.',
    );
  }
  await store.change(() => store.objects.addBucket(bucket, store.now()));
  return { status: 200, headers: { location: `/${bucket}` } };
}

export function headBucket({ store }: Exchange, bucket: string): S3Answer {
  mustExist(store, bucket);
  return { status: 200, headers: { 'x-amz-bucket-region': 'us-east-1' } };
}

export async function deleteBucket({ store }: Exchange, bucket: string): Promise<S3Answer> {
  if (bucket === LAMBDAS_BUCKET)
    throw new S3Error('AccessDenied', `The bucket ${LAMBDAS_BUCKET} holds the lambdas and stays.`);
  const files = await store.free(() => {
    mustExist(store, bucket);
    if (!store.objects.isEmpty(bucket))
      throw new S3Error('BucketNotEmpty', 'The bucket you tried to delete is not empty');
    const parts = store.uploads.inBucket(bucket).flatMap(({ id }) => store.removeUpload(id));
    store.objects.removeBucket(bucket);
    return parts;
  });
  for (const file of files) store.blobs.removePart(file);
  return { status: 204, headers: {} };
}

/** An empty one is us-east-1, by S3's history. */
export function getLocation({ store }: Exchange, bucket: string): S3Answer {
  mustExist(store, bucket);
  return xmlAnswer('LocationConstraint', '');
}

/** There is none here: what was a lambda keeps its versions in another way. */
export function getVersioning({ store }: Exchange, bucket: string): S3Answer {
  mustExist(store, bucket);
  return xmlAnswer('VersioningConfiguration', '');
}

/** ListObjectsV2. */
export function listVersion2({ request, store }: Exchange, bucket: string): S3Answer {
  mustExist(store, bucket);
  const { query } = request;
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after');
  const order = orderOf(query);
  const listing = listObjects(store.objects, {
    bucket,
    ...order,
    after: token ? readToken(token) : (startAfter ?? ''),
  });
  return xmlAnswer('ListBucketResult', {
    ...common(bucket, order, listing),
    KeyCount: listing.objects.length + listing.commonPrefixes.length,
    ContinuationToken: token,
    StartAfter: startAfter === undefined ? undefined : order.encode(startAfter),
    NextContinuationToken: listing.next === undefined ? undefined : Buffer.from(listing.next).toString('base64url'),
  });
}

/** ListObjects, the first. */
export function listVersion1({ request, store }: Exchange, bucket: string): S3Answer {
  mustExist(store, bucket);
  const order = orderOf(request.query);
  const marker = request.query.get('marker') ?? '';
  const listing = listObjects(store.objects, { bucket, ...order, after: marker });
  return xmlAnswer('ListBucketResult', {
    ...common(bucket, order, listing, OWNER),
    Marker: order.encode(marker),
    NextMarker: listing.next === undefined ? undefined : order.encode(listing.next),
  });
}

/** DeleteObjects: each key by itself, so one that is refused does not keep the others. */
export async function deleteObjects({ request, verified, store }: Exchange, bucket: string): Promise<S3Answer> {
  mustExist(store, bucket);
  const root = readXml(await readDocument(request, verified));
  const quiet = childText(root, 'Quiet')?.trim() === 'true';
  const keys = root.children.filter(({ name }) => name === 'Object').map((object) => childText(object, 'Key'));
  if (root.name !== 'Delete' || keys.length === 0 || keys.length > PAGE_KEYS_MAX || keys.includes(undefined)) {
    throw new S3Error('MalformedXML', `A deletion names 1 to ${PAGE_KEYS_MAX} keys.`);
  }
  await store.free((step) => {
    for (const key of keys as string[]) store.remove(step, { bucket, key });
  });
  return xmlAnswer('DeleteResult', { Deleted: quiet ? [] : keys.map((key) => ({ Key: key })) });
}

interface Order {
  prefix: string;
  delimiter: string;
  max: number;
  encode: (text: string) => string;
  encoding: string | undefined;
}

function orderOf(query: ReadonlyMap<string, string>): Order {
  const encoding = query.get('encoding-type');
  if (encoding !== undefined && encoding !== 'url') {
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      ArgumentName: 'encoding-type',
    });
  }
  const max = query.get('max-keys') || String(PAGE_KEYS_MAX);
  if (!/^[0-9]{1,10}$/.test(max)) {
    throw new S3Error('InvalidArgument', 'max-keys is not a whole number.', { ArgumentName: 'max-keys' });
  }
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    max: Math.min(Number(max), PAGE_KEYS_MAX),
    encode: encoding === 'url' ? (text) => text.split('/').map(encodeRfc3986).join('/') : (text) => text,
    encoding,
  };
}

function common(bucket: string, order: Order, { objects, commonPrefixes, next }: Listing, owner?: typeof OWNER) {
  const { prefix, delimiter, max, encode, encoding } = order;
  return {
    Name: bucket,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxKeys: max,
    EncodingType: encoding,
    IsTruncated: next !== undefined,
    Contents: objects.map((object) => contentOf(object, encode, owner)),
    CommonPrefixes: commonPrefixes.map((one) => ({ Prefix: encode(one) })),
  };
}

function contentOf({ key, modifiedMs, etag, bytes }: StoredObject, encode: Order['encode'], owner?: typeof OWNER) {
  return {
    Key: encode(key),
    LastModified: isoTime(modifiedMs),
    ETag: `"${etag}"`,
    Size: bytes,
    Owner: owner,
    StorageClass: 'STANDARD',
  };
}

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  if (text !== '' && Buffer.from(text).toString('base64url') === token) return text;
  throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect');
}

export function mustExist(store: Store, bucket: string): void {
  if (store.objects.bucket(bucket) === undefined) throw noSuchBucket();
}
