/**
 * How requests are signed with a pair of keys: HMAC over what the request says of itself, as API version 4 of
 * Backend.AI has it. Bodies are not covered.
 */
import { createHash, createHmac } from 'node:crypto';

/** The version of the API that this client speaks. */
export const API_VERSION = 'v4.20190615';

const VERSION_HEADER = 'X-BackendAI-Version';

/** What a server takes a request without `Content-Type` for. */
const NO_TYPE = 'application/octet-stream';

export interface KeyPair {
  accessKey: string;
  secretKey: string;
}

/** Who a request is from: a pair of keys signs it, a token goes with it. */
export type Credentials = KeyPair | { token: string };

export interface SignOrder {
  method: string;
  /** Path and query exactly as they are sent. */
  target: string;
  /** As the `Host` header has it, with the port unless it is the scheme's own. */
  host: string;
  /** Undefined if none is sent. */
  contentType: string | undefined;
  at: Date;
}

/** The headers that say who asks, to be sent beside `Host` and `Content-Type`. */
export function signedHeaders(order: SignOrder, credentials: Credentials): Record<string, string> {
  if ('token' in credentials) return { [VERSION_HEADER]: API_VERSION, Authorization: `Bearer ${credentials.token}` };
  const date = order.at.toISOString();
  const signature = signatureOf({ ...order, date, version: API_VERSION }, credentials.secretKey);
  return {
    [VERSION_HEADER]: API_VERSION,
    Date: date,
    Authorization: `BackendAI signMethod=HMAC-SHA256, credential=${credentials.accessKey}:${signature}`,
  };
}

export interface Signable {
  method: string;
  target: string;
  host: string;
  contentType: string | undefined;
  /** ISO 8601; the day is that of its own offset. */
  date: string;
  version: string;
  /** Versions before v4.20181215 cover it; nothing if it is not given. */
  body?: Uint8Array | string;
}

/** Lower-case hexadecimal digits. */
export function signatureOf(signable: Signable, secretKey: string): string {
  const { method, target, host, contentType, date, version, body = '' } = signable;
  const text = [
    method.toUpperCase(),
    target,
    date,
    `host:${host}`,
    `content-type:${contentType?.split(';', 1)[0]?.trim().toLowerCase() || NO_TYPE}`,
    `x-backendai-version:${version}`,
    createHash('sha256').update(body).digest('hex'),
  ].join('\n');
  const dayKey = hmac(secretKey, date.slice(0, 10).replaceAll('-', ''));
  return hmac(hmac(dayKey, host), text).toString('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
