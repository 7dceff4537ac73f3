/** Whether whoever sends a request knows the secret key. Throws the S3Error that S3 clients know. */
import {
  ALGORITHM,
  amzDate,
  type CredentialScope,
  type Credentials,
  canonicalRequest,
  PRESIGN_S_MAX,
  sign,
  signingKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from '../signature.ts';
import { CLOCK_SKEW_MS_MAX } from './limits.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';
import { refuseExpired, sameText, unknownAccessKey, wrongSignature } from './signature-check.ts';
import { verifyVersion2 } from './signature-v2.ts';

export interface Verified {
  /** What the client says of the body: SHA-256 in hex, or a word in its place. */
  payloadHash: string;
  /** What the signatures of a body's chunks hang on. */
  chain: SignatureChain;
}

export interface SignatureChain {
  key: Buffer;
  time: string;
  scope: CredentialScope;
  /** Of the request's head. */
  seed: string;
}

/** What a request claims to be signed with. */
interface Claim {
  accessKey: string;
  scope: CredentialScope;
  time: string;
  signedHeaders: readonly string[];
  signature: string;
  payloadHash: string;
}

export function verify(request: S3Request, keys: Credentials, nowMs: number): Verified {
  const { headers, query } = request;
  const authorization = headers.authorization;
  if (authorization?.startsWith(ALGORITHM)) {
    return checked(request, headerClaim(request, authorization, nowMs), keys);
  }
  if (authorization !== undefined) {
    throw new S3Error('InvalidRequest', `The authorization mechanism is not supported. Please use ${ALGORITHM}.`);
  }
  if (query.has('X-Amz-Algorithm')) return checked(request, queryClaim(request, nowMs), keys);
  if (query.has('AWSAccessKeyId')) {
    verifyVersion2(request, keys, nowMs);
    return { payloadHash: UNSIGNED_PAYLOAD, chain: NO_CHAIN };
  }
  throw new S3Error('AccessDenied', 'The request is not signed.');
}

const NO_CHAIN: SignatureChain = {
  key: Buffer.alloc(0),
  time: '',
  scope: { date: '', region: '', service: '' },
  seed: '',
};

function headerClaim(request: S3Request, authorization: string, nowMs: number): Claim {
  const fields = new Map<string, string>();
  for (const field of authorization.slice(ALGORITHM.length).split(',')) {
    const at = field.indexOf('=');
    if (at > 0) fields.set(field.slice(0, at).trim(), field.slice(at + 1).trim());
  }
  const malformed = (what: string) => new S3Error('AuthorizationHeaderMalformed', `The Authorization header ${what}.`);
  const claim = {
    ...credentialOf(fields.get('Credential'), malformed),
    signedHeaders: namesOf(fields.get('SignedHeaders'), malformed),
    signature: fields.get('Signature') ?? '',
  };
  const time = headerTime(request);
  const atMs = readTime(time);
  if (atMs === undefined) {
    throw new S3Error('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header.');
  }
  refuseSkew(atMs, nowMs);
  if (claim.scope.date !== time.slice(0, 8)) throw malformed('has a credential of another day than the request');
  const payloadHash = request.headers['x-amz-content-sha256'];
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  return { ...claim, time, payloadHash };
}

function queryClaim({ query, headers }: S3Request, nowMs: number): Claim {
  const malformed = (what: string) => new S3Error('AuthorizationQueryParametersError', `The query ${what}.`);
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) throw malformed(`has an X-Amz-Algorithm other than ${ALGORITHM}`);
  const claim = {
    ...credentialOf(query.get('X-Amz-Credential'), malformed),
    signedHeaders: namesOf(query.get('X-Amz-SignedHeaders'), malformed),
    signature: query.get('X-Amz-Signature') ?? '',
  };
  const time = query.get('X-Amz-Date') ?? '';
  const atMs = readTime(time);
  if (atMs === undefined) throw malformed('has no X-Amz-Date such as 20261122T081500Z');
  if (claim.scope.date !== time.slice(0, 8)) throw malformed('has an X-Amz-Credential of another day than X-Amz-Date');
  const seconds = query.get('X-Amz-Expires') ?? '';
  if (!/^[0-9]{1,7}$/.test(seconds) || Number(seconds) < 1 || Number(seconds) > PRESIGN_S_MAX) {
    throw malformed(`has no X-Amz-Expires of 1 to ${PRESIGN_S_MAX} seconds`);
  }
  if (atMs > nowMs + CLOCK_SKEW_MS_MAX) throw new S3Error('AccessDenied', 'Request is not valid yet');
  refuseExpired(atMs + Number(seconds) * 1_000, nowMs);
  const hash = claim.signedHeaders.includes('x-amz-content-sha256') ? headers['x-amz-content-sha256'] : undefined;
  return { ...claim, time, payloadHash: hash ?? UNSIGNED_PAYLOAD };
}

function refuseSkew(atMs: number, nowMs: number): void {
  if (Math.abs(nowMs - atMs) <= CLOCK_SKEW_MS_MAX) return;
  throw new S3Error('RequestTimeTooSkewed', "The difference between the request time and the server's is too large.", {
    RequestTime: amzDate(new Date(atMs)),
    ServerTime: new Date(nowMs).toISOString(),
    MaxAllowedSkewMilliseconds: String(CLOCK_SKEW_MS_MAX),
  });
}

function checked(request: S3Request, claim: Claim, keys: Credentials): Verified {
  if (!sameText(claim.accessKey, keys.accessKey)) throw unknownAccessKey(claim.accessKey);
  refuseUnsigned(request, claim);
  const { method, path, rawQuery, headers } = request;
  const { signedHeaders, payloadHash, scope, time } = claim;
  const canonical = canonicalRequest({ method, path, query: rawQuery, headers, signedHeaders, payloadHash });
  const key = signingKey(keys.secretKey, scope);
  const expected = sign(key, stringToSign(time, scope, canonical));
  if (!sameText(claim.signature, expected)) throw wrongSignature();
  return { payloadHash, chain: { key, time, scope, seed: expected } };
}

/** What an attacker could change on the way must be covered: where it goes, and what it means. */
function refuseUnsigned({ headers }: S3Request, { signedHeaders }: Claim): void {
  const covered = new Set(signedHeaders);
  const open = Object.keys(headers).filter(
    (name) => (name === 'host' || (name.startsWith('x-amz-') && name !== 'x-amz-content-sha256')) && !covered.has(name),
  );
  if (!covered.has('host') && !open.includes('host')) open.push('host');
  if (open.length === 0) return;
  throw new S3Error('AccessDenied', 'There were headers present in the request which were not signed', {
    HeadersNotSigned: open.join(', '),
  });
}

function credentialOf(
  text: string | undefined,
  malformed: (what: string) => S3Error,
): { accessKey: string; scope: CredentialScope } {
  const parts = text?.split('/') ?? [];
  const [terminator, service, region, date] = parts.slice(-4).reverse();
  const accessKey = parts.slice(0, -4).join('/');
  if (accessKey === '' || !date || !region || !service || terminator !== 'aws4_request') {
    throw malformed('has no credential such as KEY/20261122/us-east-1/s3/aws4_request');
  }
  if (service !== 's3') throw malformed(`has a credential for the service ${JSON.stringify(service)}, not "s3"`);
  return { accessKey, scope: { date, region, service } };
}

function namesOf(text: string | undefined, malformed: (what: string) => S3Error): string[] {
  const names = text?.toLowerCase().split(';') ?? [];
  if (names.length === 0 || names.includes('')) throw malformed('does not say which headers are signed');
  return names;
}

/** In the form that is signed; a client may say it in the Date header, too. */
function headerTime({ headers }: S3Request): string {
  const time = headers['x-amz-date'];
  if (time !== undefined) return time;
  const date = new Date(headers.date ?? '');
  return Number.isNaN(date.getTime()) ? (headers.date ?? '') : amzDate(date);
}

function readTime(text: string): number | undefined {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second] = found;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
