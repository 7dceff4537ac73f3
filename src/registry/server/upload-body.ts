/** The body of a request that brings bytes: out of its framing, and compared with all that was said about it. */
import { createHash } from 'node:crypto';
import { UNSIGNED_PAYLOAD } from '../../lib/signature-v4.ts';
import { parseXml, type XmlElement } from '../../lib/xml.ts';
import { decodeChunked } from './aws-chunked.ts';
import { type ChecksumName, checksumHeader, checksumNamed, checksumOf } from './checksums.ts';
import { DOCUMENT_BYTES_MAX } from './limits.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';
import type { Spooled } from './spool.ts';
import type { Verified } from './verification.ts';

export interface UploadBody {
  source: AsyncIterable<Buffer>;
  /** To be made besides those that are always made. */
  checksum: ChecksumName | undefined;
  /** After the last byte. Throws S3Error if anything differs from what was said. */
  check(spooled: Spooled): void;
}

const STREAMING = 'STREAMING-';
/** Of the streaming kinds, those that are read here, and whether each of their chunks is signed. */
const FRAMINGS: ReadonlyMap<string, boolean> = new Map([
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', false],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', true],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', true],
]);

/** Throws S3Error before a byte is read, if the body would be refused anyway. */
export function uploadBody(request: S3Request, { payloadHash, chain }: Verified, bytesMax: number): UploadBody {
  const { headers } = request;
  const framed = payloadHash.startsWith(STREAMING);
  const announced = framed ? numberIn(headers['x-amz-decoded-content-length']) : request.contentLength;
  if (framed && announced === undefined) {
    throw new S3Error('InvalidRequest', 'A chunked body needs x-amz-decoded-content-length.');
  }
  if (announced !== undefined && announced > bytesMax) {
    throw new S3Error('EntityTooLarge', `It has ${announced} bytes; ${bytesMax} are taken.`);
  }
  const md5 = md5Of(headers['content-md5']);
  const { checksum, inHead } = checksumSaid(headers);
  let trailers: ReadonlyMap<string, string> = new Map();
  return {
    source: framed
      ? framedSource(request, payloadHash, { chain, onTrailers: (all) => (trailers = all) })
      : request.body(),
    checksum,
    check(spooled) {
      if (announced !== undefined && spooled.bytes !== announced) {
        throw new S3Error(
          'IncompleteBody',
          `The body has ${spooled.bytes} bytes, not the ${announced} it was to have.`,
        );
      }
      if (!framed && payloadHash !== UNSIGNED_PAYLOAD && payloadHash !== spooled.sha256) {
        throw new S3Error('XAmzContentSHA256Mismatch', "The body's SHA-256 is not that of x-amz-content-sha256.");
      }
      if (md5 !== undefined && !md5.equals(spooled.md5)) {
        throw new S3Error('BadDigest', "The body's MD5 is not that of Content-MD5.");
      }
      if (checksum === undefined) return;
      const said = inHead ?? trailers.get(checksumHeader(checksum));
      if (said === undefined)
        throw new S3Error('InvalidRequest', `The trailer ${checksumHeader(checksum)} is missing.`);
      if (said !== spooled.checksum) {
        throw new S3Error('BadDigest', `The body's ${checksum.toUpperCase()} did not match the calculated checksum.`);
      }
    },
  };
}

/** A small body as a whole. */
export async function readDocument(request: S3Request, verified: Verified): Promise<Buffer> {
  const body = uploadBody(request, verified, DOCUMENT_BYTES_MAX);
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body.source) {
    size += piece.length;
    if (size > DOCUMENT_BYTES_MAX) throw new S3Error('EntityTooLarge', `It has more than ${DOCUMENT_BYTES_MAX} bytes.`);
    pieces.push(piece);
  }
  const bytes = Buffer.concat(pieces);
  const other = body.checksum === undefined ? undefined : checksumOf(body.checksum);
  other?.update(bytes);
  body.check({
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    md5: createHash('md5').update(bytes).digest(),
    checksum: other?.digest().toString('base64'),
  });
  return bytes;
}

/** Throws S3Error `MalformedXML`. */
export function readXml(document: Buffer): XmlElement {
  try {
    return parseXml(document.toString('utf8'));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new S3Error('MalformedXML', `The XML you provided was not well-formed: ${error.message}.`);
  }
}

function framedSource(
  request: S3Request,
  payloadHash: string,
  { chain, onTrailers }: Pick<Verified, 'chain'> & { onTrailers: (all: ReadonlyMap<string, string>) => void },
): AsyncIterable<Buffer> {
  const signed = FRAMINGS.get(payloadHash);
  if (signed === undefined) throw new S3Error('NotImplemented', `Bodies of the kind ${payloadHash} are not read here.`);
  return decodeChunked(request.body(), { chain: signed ? chain : undefined, onTrailers });
}

/** Which checksum comes along, and its value if it comes in the head. Kinds that came after us are not looked at. */
function checksumSaid(headers: S3Request['headers']): { checksum: ChecksumName | undefined; inHead?: string } {
  for (const [name, value] of Object.entries(headers)) {
    const checksum = checksumNamed(name);
    if (checksum !== undefined && value !== undefined) return { checksum, inHead: value };
  }
  const trailers = headers['x-amz-trailer']?.split(',') ?? [];
  return { checksum: trailers.map(checksumNamed).find((name) => name !== undefined) };
}

function md5Of(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const md5 = Buffer.from(text, 'base64');
  if (md5.length !== 16) throw new S3Error('InvalidDigest', 'Content-MD5 is not an MD5 in base64.');
  return md5;
}

function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
