/** How requests are signed with a pair of keys: HMAC over what the request says of itself. Pure. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { ApiProblem } from './api-problem.ts';

export interface Signable {
  method: string;
  /** Exactly as it was sent, with prefix, query and percent signs. */
  target: string;
  /** Exactly as it was sent. */
  date: string;
  /** Of the date, in its own offset: `YYYYMMDD`. */
  day: string;
  /** Exactly as it was sent, with the port. */
  host: string;
  /** As `Content-Type` has it; undefined if there is none. */
  contentType: string | undefined;
  /** `x-backendai-version:v4.20190615` */
  versionLine: string;
  /** Empty where it is not signed: of newer versions, and of forms with files. */
  body: Uint8Array;
}

export interface Authorization {
  /** As Node's crypto knows it. */
  algorithm: string;
  accessKey: string;
  signature: string;
}

/** Names of Python's hashlib, in lower case, to those of OpenSSL. */
const ALGORITHMS: Readonly<Record<string, string>> = {
  md5: 'md5',
  sha1: 'sha1',
  sha224: 'sha224',
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  sha3_224: 'sha3-224',
  sha3_256: 'sha3-256',
  sha3_384: 'sha3-384',
  sha3_512: 'sha3-512',
  blake2b: 'blake2b512',
  blake2s: 'blake2s256',
};

/** What a request without `Content-Type` counts as. */
const NO_TYPE = 'application/octet-stream';

/** `BackendAI signMethod=HMAC-SHA256, credential=KEY:SIGNATURE`. Throws ApiProblem `invalid-auth-params`. */
export function readAuthorization(header: string): Authorization {
  const space = header.indexOf(' ');
  const type = space === -1 ? header : header.slice(0, space);
  if (type !== 'BackendAI' && type !== 'Sorna') throw malformed('Invalid authorization type name');
  const fields = new Map<string, string>();
  for (const field of header.slice(space + 1).split(',')) {
    const equals = field.indexOf('=');
    if (equals > 0) fields.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim());
  }
  const [, accessKey, signature] = /^([^:]+):([^:]+)$/.exec(fields.get('credential') ?? '') ?? [];
  if (space === -1 || accessKey === undefined || signature === undefined) {
    throw malformed('Malformed authorization header');
  }
  const method = /^HMAC-([\w-]+)$/i
    .exec(fields.get('signMethod') ?? '')?.[1]
    ?.toLowerCase()
    .replaceAll('-', '_');
  const algorithm = method === undefined ? undefined : ALGORITHMS[method];
  if (algorithm === undefined || !Object.hasOwn(ALGORITHMS, method as string)) {
    throw malformed('Unsupported request signing hash method');
  }
  return { algorithm, accessKey, signature };
}

function malformed(extra: string): ApiProblem {
  const detail =
    'A signed request has the header `Authorization: BackendAI signMethod=HMAC-SHA256, credential=<access key>:<signature>`.';
  return new ApiProblem('invalid-auth-params', extra, { detail });
}

/** Lower-case hexadecimal digits. */
export function signatureOf(signable: Signable, secretKey: string, algorithm = 'sha256'): string {
  const dayKey = createHmac(algorithm, secretKey).update(signable.day).digest();
  const hostKey = createHmac(algorithm, dayKey).update(signable.host).digest();
  return createHmac(algorithm, hostKey).update(stringToSign(signable, algorithm)).digest('hex');
}

/** Takes as long whether much or little of it is right. */
export function isSignature(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

function stringToSign(signable: Signable, algorithm: string): string {
  const { method, target, date, host, contentType, versionLine, body } = signable;
  return [
    method.toUpperCase(),
    target,
    date,
    `host:${host}`,
    `content-type:${mediaType(contentType)}`,
    versionLine,
    createHash(algorithm).update(body).digest('hex'),
  ].join('\n');
}

/** `multipart/form-data` of `Multipart/Form-Data; boundary=x`. */
export function mediaType(contentType: string | undefined): string {
  const media = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  return media || NO_TYPE;
}
