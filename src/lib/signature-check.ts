/**
 * Whether a request was signed, with AWS Signature Version 4 in its Authorization header, by somebody who knows the
 * secret key. What the server says to one that was not is its own affair: SignatureError has S3's words for it.
 */
import { timingSafeEqual } from 'node:crypto';
import {
  ALGORITHM,
  amzDate,
  type CredentialScope,
  type Credentials,
  canonicalRequest,
  type Signable,
  sign,
  signingKey,
  stringToSign,
} from './signature-v4.ts';

/** By how much the clocks of client and server may differ, in milliseconds: as AWS has it. */
export const CLOCK_SKEW_MS_MAX = 15 * 60 * 1_000;

export type SignatureFault =
  | 'AccessDenied'
  | 'AuthorizationHeaderMalformed'
  | 'AuthorizationQueryParametersError'
  | 'InvalidAccessKeyId'
  | 'RequestTimeTooSkewed'
  | 'SignatureDoesNotMatch';

export class SignatureError extends Error {
  override readonly name = 'SignatureError';
  readonly code: SignatureFault;
  readonly facts: Readonly<Record<string, string>>;

  constructor(code: SignatureFault, message: string, facts: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** What a request claims to be signed with. */
export interface Claim {
  accessKey: string;
  scope: CredentialScope;
  time: string;
  signedHeaders: readonly string[];
  signature: string;
}

/** The parts of a request that are signed; `headers` by lower-case name. */
export type SignedRequest = Pick<Signable, 'method' | 'path' | 'query' | 'headers'>;

/** `authorization` begins with the algorithm's name. Throws SignatureError. */
export function readHeaderClaim(headers: Signable['headers'], service: string, nowMs: number): Claim {
  const fields = new Map<string, string>();
  for (const field of (headers.authorization ?? '').slice(ALGORITHM.length).split(',')) {
    const at = field.indexOf('=');
    if (at > 0) fields.set(field.slice(0, at).trim(), field.slice(at + 1).trim());
  }
  const malformed: Malformed = (what) =>
    new SignatureError('AuthorizationHeaderMalformed', `The Authorization header ${what}.`);
  const claim = {
    ...credentialOf(fields.get('Credential'), service, malformed),
    signedHeaders: headerNamesOf(fields.get('SignedHeaders'), malformed),
    signature: fields.get('Signature') ?? '',
  };
  const time = timeIn(headers);
  const atMs = readTime(time);
  if (atMs === undefined) {
    throw new SignatureError('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header.');
  }
  refuseSkew(atMs, nowMs);
  if (claim.scope.date !== time.slice(0, 8)) throw malformed('has a credential of another day than the request');
  return { ...claim, time };
}

export interface Checked {
  /** What the signature was made with. */
  key: Buffer;
  signature: string;
}

/** Throws SignatureError unless the claim is true. */
export function checkClaim(request: Omit<Signable, 'signedHeaders'>, claim: Claim, keys: Credentials): Checked {
  if (!sameText(claim.accessKey, keys.accessKey)) {
    const facts = { AWSAccessKeyId: claim.accessKey };
    throw new SignatureError('InvalidAccessKeyId', 'The access key is not known here.', facts);
  }
  refuseUnsigned(request.headers, claim.signedHeaders);
  const { scope, time, signedHeaders } = claim;
  const key = signingKey(keys.secretKey, scope);
  const signature = sign(key, stringToSign(time, scope, canonicalRequest({ ...request, signedHeaders })));
  if (sameText(claim.signature, signature)) return { key, signature };
  throw new SignatureError(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your secret key.',
  );
}

/** What is wrong with a claim, in whichever place it stands. */
export type Malformed = (what: string) => SignatureError;

export function credentialOf(
  text: string | undefined,
  wanted: string,
  malformed: Malformed,
): { accessKey: string; scope: CredentialScope } {
  const parts = text?.split('/') ?? [];
  const [terminator, service, region, date] = parts.slice(-4).reverse();
  const accessKey = parts.slice(0, -4).join('/');
  if (accessKey === '' || !date || !region || !service || terminator !== 'aws4_request') {
    throw malformed(`has no credential such as KEY/20261122/us-east-1/${wanted}/aws4_request`);
  }
  if (service !== wanted) {
    throw malformed(`has a credential for the service ${JSON.stringify(service)}, not "${wanted}"`);
  }
  return { accessKey, scope: { date, region, service } };
}

export function headerNamesOf(text: string | undefined, malformed: Malformed): string[] {
  const names = text?.toLowerCase().split(';') ?? [];
  if (names.length === 0 || names.includes('')) throw malformed('does not say which headers are signed');
  return names;
}

/** Unix time in milliseconds of such as 20261122T081500Z. */
export function readTime(text: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second] = found;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Compares in a time that does not depend on where they differ. */
export function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

/** What an attacker could change on the way must be covered: where it goes, and what it means. */
function refuseUnsigned(headers: Signable['headers'], signedHeaders: readonly string[]): void {
  const covered = new Set(signedHeaders);
  const open = Object.keys(headers).filter(
    (name) => (name === 'host' || (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256')) && !covered.has(name),
  );
  if (!covered.has('host') && !open.includes('host')) open.push('host');
  if (open.length === 0) return;
  throw new SignatureError('AccessDenied', 'There were headers present in the request which were not signed', {
    HeadersNotSigned: open.join(', '),
  });
}

function refuseSkew(atMs: number, nowMs: number): void {
  if (Math.abs(nowMs - atMs) <= CLOCK_SKEW_MS_MAX) return;
  const message = "The difference between the request time and the server's is too large.";
  throw new SignatureError('RequestTimeTooSkewed', message, {
    RequestTime: amzDate(new Date(atMs)),
    ServerTime: new Date(nowMs).toISOString(),
    MaxAllowedSkewMilliseconds: String(CLOCK_SKEW_MS_MAX),
  });
}

/** In the form that is signed; a client may say it in the Date header, too. */
function timeIn(headers: Signable['headers']): string {
  const time = headers['x-amz-date'];
  if (time !== undefined) return time;
  const date = new Date(headers.date ?? '');
  return Number.isNaN(date.getTime()) ? (headers.date ?? '') : amzDate(date);
}
