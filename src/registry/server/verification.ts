/** Whether whoever sends a request knows the secret key. Throws the S3Error that S3 clients know. */
import {
  CLOCK_SKEW_MS_MAX,
  type Claim,
  checkClaim,
  credentialOf,
  headerNamesOf,
  type Malformed,
  readHeaderClaim,
  readTime,
  SignatureError,
} from '../../lib/signature-check.ts';
import {
  ALGORITHM,
  type CredentialScope,
  type Credentials,
  PRESIGN_S_MAX,
  UNSIGNED_PAYLOAD,
} from '../../lib/signature-v4.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';
import { refuseExpired } from './signature-check.ts';
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

export function verify(request: S3Request, keys: Credentials, nowMs: number): Verified {
  try {
    return verified(request, keys, nowMs);
  } catch (error) {
    if (error instanceof SignatureError) throw new S3Error(error.code, error.message, error.facts);
    throw error;
  }
}

function verified(request: S3Request, keys: Credentials, nowMs: number): Verified {
  const { headers, query } = request;
  const { authorization } = headers;
  if (authorization?.startsWith(ALGORITHM)) {
    const claim = readHeaderClaim(headers, 's3', nowMs);
    const payloadHash = headers['x-amz-content-sha256'];
    if (payloadHash === undefined) {
      throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
    }
    return checked(request, { claim, payloadHash, keys });
  }
  if (authorization !== undefined) {
    throw new S3Error('InvalidRequest', `The authorization mechanism is not supported. Please use ${ALGORITHM}.`);
  }
  if (query.has('X-Amz-Algorithm')) return checked(request, { ...queryClaim(request, nowMs), keys });
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

/** Of a presigned URL. */
function queryClaim({ query, headers }: S3Request, nowMs: number): { claim: Claim; payloadHash: string } {
  const malformed: Malformed = (what) => new SignatureError('AuthorizationQueryParametersError', `The query ${what}.`);
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) throw malformed(`has an X-Amz-Algorithm other than ${ALGORITHM}`);
  const claim = {
    ...credentialOf(query.get('X-Amz-Credential'), 's3', malformed),
    signedHeaders: headerNamesOf(query.get('X-Amz-SignedHeaders'), malformed),
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
  return { claim: { ...claim, time }, payloadHash: hash ?? UNSIGNED_PAYLOAD };
}

function checked(
  { method, path, rawQuery: query, headers }: S3Request,
  { claim, payloadHash, keys }: { claim: Claim; payloadHash: string; keys: Credentials },
): Verified {
  const { key, signature } = checkClaim({ method, path, query, headers, payloadHash }, claim, keys);
  const { time, scope } = claim;
  return { payloadHash, chain: { key, time, scope, seed: signature } };
}
