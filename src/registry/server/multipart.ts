/** Uploads in parts, which come in any order and several at once. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { errnoOf } from '../../lib/errno.ts';
import { childText, type XmlElement } from '../../lib/xml.ts';
import { isoTime, type S3Answer, xmlAnswer } from './answer.ts';
import { checksumHeader, checksumNamed } from './checksums.ts';
import { checkWrite } from './conditions.ts';
import type { Exchange, ObjectExchange } from './exchange.ts';
import { lambdaOf } from './lambda-object.ts';
import { OBJECT_BYTES_MAX, PART_BYTES_MIN, PART_NUMBER_MAX, READ_BYTES } from './limits.ts';
import { objectHeaders, writtenHeaders } from './object-headers.ts';
import { copySource, existing, isBundle } from './objects.ts';
import { rangeOf } from './range.ts';
import { S3Error } from './s3-error.ts';
import { type Spooled, spool } from './spool.ts';
import { noSuchBucket, type Store } from './store.ts';
import { readDocument, readXml, uploadBody } from './upload-body.ts';
import type { Part, Upload } from './uploads-table.ts';

export async function createUpload({ request, store, place }: ObjectExchange): Promise<S3Answer> {
  if (store.objects.bucket(place.bucket) === undefined) throw noSuchBucket();
  lambdaOf(place);
  const upload = { ...place, id: randomUUID(), startedMs: store.now(), headers: objectHeaders(request) };
  await store.change(() => store.uploads.add(upload));
  return xmlAnswer('InitiateMultipartUploadResult', { Bucket: place.bucket, Key: place.key, UploadId: upload.id });
}

export async function putPart({ request, verified, store, place }: ObjectExchange): Promise<S3Answer> {
  const { id } = uploadOf({ request, store, place });
  const number = partNumber(request.query.get('partNumber'));
  const body = uploadBody(request, verified, OBJECT_BYTES_MAX);
  const { checksum } = body;
  const spooled = await storePart(store, { id, number }, async (handle) => {
    const all = await spool(body.source, handle, { bytesMax: OBJECT_BYTES_MAX, checksum });
    body.check(all);
    return all;
  });
  const headers: Record<string, string> = { etag: `"${spooled.md5.toString('hex')}"` };
  if (checksum !== undefined) headers[checksumHeader(checksum)] = spooled.checksum as string;
  return { status: 200, headers };
}

/** A part whose bytes an object here has already. */
export async function copyPart({ request, store, place }: ObjectExchange): Promise<S3Answer> {
  const { id } = uploadOf({ request, store, place });
  const number = partNumber(request.query.get('partNumber'));
  const source = existing(store, copySource(request.headers['x-amz-copy-source']));
  const wanted = rangeOf(request.headers['x-amz-copy-source-range'], source.bytes);
  const { start, bytes } = wanted ?? { start: 0, bytes: source.bytes };
  const spooled = await storePart(store, { id, number }, (handle) => {
    return spool(readFile(store.blobs.path(source.blob), { start, bytes }), handle, { bytesMax: OBJECT_BYTES_MAX });
  });
  const content = { ETag: `"${spooled.md5.toString('hex')}"`, LastModified: isoTime(store.now()) };
  return xmlAnswer('CopyPartResult', content);
}

export async function completeUpload(exchange: ObjectExchange): Promise<S3Answer> {
  const { request, verified, store, place } = exchange;
  const upload = uploadOf(exchange);
  const parts = chosenParts(await readDocument(request, verified), store.uploads.parts(upload.id));
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  if (bytes > OBJECT_BYTES_MAX)
    throw new S3Error('EntityTooLarge', `It has ${bytes} bytes; ${OBJECT_BYTES_MAX} are taken.`);
  const checksum = Object.keys(request.headers)
    .map(checksumNamed)
    .find((name) => name !== undefined);
  const ofWhole = request.headers['x-amz-checksum-type']?.toUpperCase() === 'FULL_OBJECT' ? checksum : undefined;
  return store.withTemp(async (file) => {
    const whole = readFiles(parts.map((part) => ({ ...part, path: store.blobs.partPath(part.file) })));
    const spooled = await spool(whole, file.handle, { bytesMax: OBJECT_BYTES_MAX, checksum: ofWhole });
    const headers = { ...upload.headers };
    if (ofWhole !== undefined) {
      const header = checksumHeader(ofWhole);
      if (request.headers[header] !== spooled.checksum) {
        throw new S3Error('BadDigest', `The ${ofWhole.toUpperCase()} of the whole is not what you specified.`);
      }
      headers[header] = spooled.checksum as string;
    }
    const digests = parts.map((part) => Buffer.from(part.etag, 'hex'));
    const etag = `${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${parts.length}`;
    const precondition = (before: Parameters<typeof checkWrite>[1]) => checkWrite(request.headers, before);
    let files: string[] = [];
    const stored = await store.put({ place, file, spooled, etag, headers, precondition }, () => {
      // Completed twice at once: the second finds nothing to complete.
      uploadOf(exchange);
      files = store.removeUpload(upload.id);
    });
    for (const part of files) store.blobs.removePart(part);
    const location = `http://${request.headers.host}${request.path}`;
    const content = { Location: location, Bucket: place.bucket, Key: place.key, ETag: `"${etag}"` };
    const answer = xmlAnswer('CompleteMultipartUploadResult', content);
    const { etag: _, ...more } = writtenHeaders(stored, isBundle(place));
    return { ...answer, headers: { ...answer.headers, ...more } };
  });
}

export async function abortUpload(exchange: ObjectExchange): Promise<S3Answer> {
  const { id } = uploadOf(exchange);
  const { store } = exchange;
  const files = await store.free(() => store.removeUpload(id));
  for (const file of files) store.blobs.removePart(file);
  return { status: 204, headers: {} };
}

export function listParts(exchange: ObjectExchange): S3Answer {
  const upload = uploadOf(exchange);
  const { store, place } = exchange;
  const parts = store.uploads.parts(upload.id).map(({ number, etag, bytes, modifiedMs }) => {
    return { PartNumber: number, LastModified: isoTime(modifiedMs), ETag: `"${etag}"`, Size: bytes };
  });
  return xmlAnswer('ListPartsResult', {
    Bucket: place.bucket,
    Key: place.key,
    UploadId: upload.id,
    MaxParts: PART_NUMBER_MAX,
    IsTruncated: false,
    Part: parts,
    StorageClass: 'STANDARD',
  });
}

export function listUploads({ request, store }: Exchange, bucket: string): S3Answer {
  const prefix = request.query.get('prefix') ?? '';
  const uploads = store.uploads.inBucket(bucket).filter(({ key }) => key.startsWith(prefix));
  return xmlAnswer('ListMultipartUploadsResult', {
    Bucket: bucket,
    Prefix: prefix,
    IsTruncated: false,
    Upload: uploads.map(({ id, key, startedMs }) => {
      return { Key: key, UploadId: id, StorageClass: 'STANDARD', Initiated: isoTime(startedMs) };
    }),
  });
}

async function storePart(
  store: Store,
  { id, number }: { id: string; number: number },
  write: (handle: Parameters<typeof spool>[1]) => Promise<Spooled>,
): Promise<Spooled> {
  return store.withTemp(async (file) => {
    const spooled = await write(file.handle);
    const name = randomUUID();
    const part = {
      number,
      file: name,
      bytes: spooled.bytes,
      etag: spooled.md5.toString('hex'),
      modifiedMs: store.now(),
    };
    let before: Part | undefined;
    try {
      await store.change(() => {
        // Aborted or completed while the part came.
        if (store.uploads.get(id) === undefined) throw noSuchUpload();
        before = store.uploads.part(id, number);
        store.uploads.putPart(id, part);
        store.blobs.promotePart(file, name);
      });
    } catch (error) {
      store.blobs.removePart(name);
      throw error;
    }
    if (before !== undefined) store.blobs.removePart(before.file);
    return spooled;
  });
}

function uploadOf({ request, store, place }: Pick<ObjectExchange, 'request' | 'store' | 'place'>): Upload {
  const upload = store.uploads.get(request.query.get('uploadId') ?? '');
  if (upload?.bucket === place.bucket && upload.key === place.key) return upload;
  throw noSuchUpload();
}

function noSuchUpload(): S3Error {
  return new S3Error('NoSuchUpload', 'The specified upload does not exist; it may have been aborted or completed.');
}

function partNumber(text: string | undefined): number {
  const number = /^[0-9]{1,5}$/.test(text ?? '') ? Number(text) : 0;
  if (number >= 1 && number <= PART_NUMBER_MAX) return number;
  throw new S3Error('InvalidArgument', `A part's number is 1 to ${PART_NUMBER_MAX}.`);
}

/** The parts that the client lists, in its order, which must be theirs. */
function chosenParts(document: Buffer, there: readonly Part[]): Part[] {
  const byNumber = new Map(there.map((part) => [part.number, part]));
  const chosen = partElements(document).map((element) => {
    const part = byNumber.get(partNumber(childText(element, 'PartNumber')?.trim()));
    const etag = childText(element, 'ETag')?.trim().replace(/^"|"$/g, '');
    if (part === undefined || part.etag !== etag) {
      throw new S3Error('InvalidPart', 'One or more of the specified parts could not be found, or is another.');
    }
    return part;
  });
  if (chosen.length === 0) throw new S3Error('MalformedXML', 'An upload has at least one part.');
  if (chosen.some(({ number }, at) => at > 0 && number <= (chosen[at - 1] as Part).number)) {
    throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order.');
  }
  if (chosen.slice(0, -1).some(({ bytes }) => bytes < PART_BYTES_MIN)) {
    throw new S3Error('EntityTooSmall', `Each part but the last has at least ${PART_BYTES_MIN} bytes.`);
  }
  return chosen;
}

function partElements(document: Buffer): XmlElement[] {
  return readXml(document).children.filter(({ name }) => name === 'Part');
}

async function* readFiles(files: readonly { path: string; bytes: number }[]): AsyncGenerator<Buffer, void> {
  for (const { path, bytes } of files) {
    try {
      yield* readFile(path, { start: 0, bytes });
    } catch (error) {
      throw errnoOf(error) === 'ENOENT' ? noSuchUpload() : error;
    }
  }
}

async function* readFile(
  path: string,
  { start, bytes }: { start: number; bytes: number },
): AsyncGenerator<Buffer, void> {
  if (bytes === 0) return;
  yield* createReadStream(path, { start, end: start + bytes - 1, highWaterMark: READ_BYTES });
}
