/** A request as S3 means it: a bucket, a key, parameters. Nothing has been believed yet. */
import type { IncomingMessage } from 'node:http';
import { KEY_BYTES_MAX } from './limits.ts';
import { S3Error } from './s3-error.ts';

export interface S3Request {
  id: string;
  method: string;
  /** As it was sent, percent-encoded, without the query. */
  path: string;
  /** As it was sent, without the question mark. */
  rawQuery: string;
  /** Decoded; of a name that comes twice, the last. */
  query: ReadonlyMap<string, string>;
  /** By lower-case name; what comes several times is joined with commas, as it is signed. */
  headers: Readonly<Record<string, string | undefined>>;
  /** Undefined for the service itself. */
  bucket: string | undefined;
  /** Undefined for the bucket itself. */
  key: string | undefined;
  /** Of the body, as it is sent; undefined if it comes without. */
  contentLength: number | undefined;
  /** The body. Read once, after which a client that waits for leave to send it has been given it. */
  body(): AsyncIterable<Buffer>;
}

/** Throws S3Error `InvalidURI`, `KeyTooLongError`. */
export function readRequest(incoming: IncomingMessage, id: string, body: S3Request['body']): S3Request {
  const { method = 'GET', url = '/' } = incoming;
  const target = url.startsWith('/') ? url : absoluteTarget(url);
  const at = target.indexOf('?');
  const path = at === -1 ? target : target.slice(0, at);
  const rawQuery = at === -1 ? '' : target.slice(at + 1);
  const headers = readHeaders(incoming);
  const announced = headers['content-length'];
  return {
    id,
    method,
    path,
    rawQuery,
    query: readQuery(rawQuery),
    headers,
    ...readPlace(path),
    contentLength: announced === undefined ? undefined : Number(announced),
    body,
  };
}

/** The bucket and the key that a path names, which begins with a slash. */
export function readPlace(path: string): { bucket: string | undefined; key: string | undefined } {
  const [, first = '', ...rest] = path.split('/');
  const bucket = decoded(first);
  const key = rest.map(decoded).join('/');
  if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw new S3Error('KeyTooLongError', `A key has at most ${KEY_BYTES_MAX} bytes.`);
  }
  return { bucket: bucket === '' ? undefined : bucket, key: key === '' ? undefined : key };
}

function readQuery(rawQuery: string): Map<string, string> {
  const query = new Map<string, string>();
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    if (at === -1) query.set(decoded(pair), '');
    else query.set(decoded(pair.slice(0, at)), decoded(pair.slice(at + 1)));
  }
  return query;
}

/** Clients write UTF-8, where they write more than ASCII; Node reads bytes as Latin-1. */
function readHeaders({ headersDistinct }: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    const value = values.join(',');
    headers[name] = /[\u0080-\u00FF]/.test(value) ? Buffer.from(value, 'latin1').toString('utf8') : value;
  }
  return headers;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI', 'The request target is not well percent-encoded.');
  }
}

/** `http://host/path`, as proxies are asked. */
function absoluteTarget(url: string): string {
  const found = /^https?:\/\/[^/?]*(\/.*)?$/i.exec(url);
  if (found === null) throw new S3Error('InvalidURI', 'The request target is not a path.');
  return found[1] ?? '/';
}
