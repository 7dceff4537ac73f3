/**
 * AWS Signature Version 4: what is signed, and how. A client of S3 signs with this; a server makes the same signature
 * again and compares (signature-check.ts).
 *
 * Source: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference, whose examples
 * are the tests.
 */
import { createHash, createHmac } from 'node:crypto';

export const ALGORITHM = 'AWS4-HMAC-SHA256';

/** In place of a body's digest: the signature does not cover the body. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

/** SHA-256 of nothing. */
export const EMPTY_SHA256 = createHash('sha256').digest('hex');

/** The longest that a presigned request may be good for, in seconds: a week. */
export const PRESIGN_S_MAX = 604_800;

export interface Credentials {
  accessKey: string;
  secretKey: string;
}

/** Which day, region and service a signature is good for. */
export interface CredentialScope {
  /** `20261122`, in UTC. */
  date: string;
  region: string;
  service: string;
}

export interface Signable {
  method: string;
  /** As it is sent, percent-encoded, without the query. */
  path: string;
  /** As it is sent, without the question mark. */
  query: string;
  /** By lower-case name. */
  headers: Readonly<Record<string, string | undefined>>;
  /** Lower-case names of the headers that the signature covers, sorted. */
  signedHeaders: readonly string[];
  /** SHA-256 of the body in hex, or one of the words that stand in its place. */
  payloadHash: string;
  /** How often the segments of the path are percent-encoded: once if it is not given, as S3 has it; all else of AWS: twice. */
  pathEncodings?: 1 | 2;
}

export interface SignOrder {
  method: string;
  url: URL;
  /** Sent and signed, besides those that signing adds. */
  headers?: Readonly<Record<string, string>>;
  /** SHA-256 of the body in hex, or `UNSIGNED_PAYLOAD`. */
  payloadHash: string;
  credentials: Credentials;
  /** Isla's own registry takes any. */
  region: string;
  at: Date;
}

/** All headers to send: those of the order, `host`, `x-amz-date`, `x-amz-content-sha256` and `authorization`. */
export function signedHeaders(order: SignOrder): Record<string, string> {
  const { method, url, payloadHash, credentials, region, at } = order;
  const headers: Record<string, string> = { host: url.host };
  for (const [name, value] of Object.entries(order.headers ?? {})) headers[name.toLowerCase()] = value;
  const time = amzDate(at);
  headers['x-amz-date'] = time;
  headers['x-amz-content-sha256'] = payloadHash;
  const names = Object.keys(headers).sort();
  const query = url.search.slice(1);
  const request = canonicalRequest({ method, path: url.pathname, query, headers, signedHeaders: names, payloadHash });
  const scope = { date: time.slice(0, 8), region, service: 's3' };
  const signature = sign(signingKey(credentials.secretKey, scope), stringToSign(time, scope, request));
  const credential = `${credentials.accessKey}/${scopeText(scope)}`;
  headers.authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return headers;
}

/** A URL that is good for `seconds`, for whoever has it. */
export function presignedUrl({ expiresS, ...order }: Omit<SignOrder, 'payloadHash'> & { expiresS: number }): URL {
  const { method, credentials, region, at } = order;
  const headers: Record<string, string> = { host: order.url.host };
  for (const [name, value] of Object.entries(order.headers ?? {})) headers[name.toLowerCase()] = value;
  const time = amzDate(at);
  const scope = { date: time.slice(0, 8), region, service: 's3' };
  const names = Object.keys(headers).sort();
  const url = new URL(order.url);
  const added: readonly (readonly [string, string])[] = [
    ['X-Amz-Algorithm', ALGORITHM],
    ['X-Amz-Credential', `${credentials.accessKey}/${scopeText(scope)}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(expiresS)],
    ['X-Amz-SignedHeaders', names.join(';')],
  ];
  const own = added.map(([name, value]) => `${name}=${encodeRfc3986(value)}`).join('&');
  const query = [url.search.slice(1), own].filter(Boolean).join('&');
  const payloadHash = UNSIGNED_PAYLOAD;
  const request = canonicalRequest({ method, path: url.pathname, query, headers, signedHeaders: names, payloadHash });
  const signature = sign(signingKey(credentials.secretKey, scope), stringToSign(time, scope, request));
  url.search = `${query}&X-Amz-Signature=${signature}`;
  return url;
}

/** Throws URIError if the path or the query is not well percent-encoded. */
export function canonicalRequest(request: Signable): string {
  const lines = request.signedHeaders.map((name) => `${name}:${canonicalValue(request.headers[name] ?? '')}\n`);
  return [
    request.method,
    canonicalPath(request.path, request.pathEncodings ?? 1),
    canonicalQuery(request.query),
    lines.join(''),
    request.signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n');
}

export function stringToSign(time: string, scope: CredentialScope, request: string): string {
  return [ALGORITHM, time, scopeText(scope), sha256(request)].join('\n');
}

/** One key per day, region and service; it tells nothing about the secret. */
export function signingKey(secretKey: string, { date, region, service }: CredentialScope): Buffer {
  return [date, region, service, 'aws4_request'].reduce<Buffer>(hmac, Buffer.from(`AWS4${secretKey}`));
}

/** In hex. */
export function sign(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

/** `20261122T081500Z` */
export function amzDate(at: Date): string {
  return at.toISOString().replace(/[:-]|\.[0-9]{3}/g, '');
}

export function scopeText({ date, region, service }: CredentialScope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

/** Percent-encodes everything but `A-Z a-z 0-9 - . _ ~`. */
export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

function canonicalPath(path: string, encodings: 1 | 2): string {
  const once = (segment: string) => encodeRfc3986(decodeURIComponent(segment));
  return path
    .split('/')
    .map((segment) => (encodings === 1 ? once(segment) : encodeRfc3986(once(segment))))
    .join('/');
}

/** Sorted by name, then value; the signature itself is not in it. */
function canonicalQuery(query: string): string {
  return query
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('X-Amz-Signature='))
    .map((pair) => {
      const at = pair.indexOf('=');
      const [name, value] = at === -1 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
      return [encodeRfc3986(decodeURIComponent(name)), encodeRfc3986(decodeURIComponent(value))] as const;
    })
    .sort(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** All of it is ASCII, so this is the order of bytes. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonicalValue(value: string): string {
  return value.trim().replace(/ +/g, ' ');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
