/**
 * Who makes a call: the pair of keys whose secret has signed it, or whose token it brings. The date is looked at
 * before anybody's key, so that what was recorded long ago tells nothing.
 */

import type { ApiCall } from './api-call.ts';
import { ApiProblem } from './api-problem.ts';
import { API_VERSION, type ApiVersion, headerOf, isAtLeast } from './api-version.ts';
import type { KeyPair } from './key-pair.ts';
import type { KeyRing } from './key-ring.ts';
import { CLOCK_SKEW_MS_MAX, JSON_BYTES_MAX } from './limits.ts';
import type { Params } from './params.ts';
import { type Authorization, isSignature, mediaType, readAuthorization, signatureOf } from './signature.ts';
import { readSignedDate, type SignedDate } from './signed-date.ts';

/** From this version on bodies need not be signed. */
const UNSIGNED_BODIES = 'v4.20181215';

const ASK = { 'WWW-Authenticate': 'BackendAI, Bearer' };

export interface Caller {
  pair: KeyPair;
  /** It has brought a token, and need not know the secret key. */
  byToken: boolean;
}

/** Throws ApiProblem `invalid-auth-params` or `auth-failed`. */
export async function authenticated(call: ApiCall, keys: KeyRing): Promise<Caller> {
  const header = call.incoming.headers.authorization;
  if (header === undefined) throw failed('Unauthorized access', 'There is no Authorization header.');
  const bearer = /^Bearer\s+(\S+)$/i.exec(header)?.[1];
  if (bearer !== undefined) {
    const pair = keys.byToken(bearer);
    if (pair === undefined) throw failed('Unauthorized access', 'The token is not known, or its time is up.');
    return { pair, byToken: true };
  }
  const claim = readAuthorization(header);
  const date = readDate(call);
  const pair = keys.active(claim.accessKey);
  if (pair === undefined) throw failed('Access key not found', 'There is no such access key, or it is not active.');
  if (await isSigned(call, { claim, date, pair })) return { pair, byToken: false };
  throw failed('Unauthorized access', 'The signature is another than that of this request with the secret key.');
}

interface NamedDate extends SignedDate {
  text: string;
}

function readDate({ incoming: { headers } }: ApiCall): NamedDate {
  const names = ['date', 'x-backendai-date', 'x-sorna-date'];
  const text = names.map((name) => headerOf(headers, name)).find((value) => value !== undefined);
  const date = text === undefined ? undefined : readSignedDate(text);
  const now = Date.now();
  if (text !== undefined && date !== undefined && Math.abs(now - date.atMs) <= CLOCK_SKEW_MS_MAX)
    return { ...date, text };
  const what =
    text === undefined ? 'There is no Date header' : `The date ${JSON.stringify(text)} is none, or too far off`;
  throw new ApiProblem('invalid-auth-params', 'Date/time sync error', {
    detail: `${what}; it is ${new Date(now).toISOString()} here, and 15 minutes are allowed.`,
  });
}

interface Claim {
  claim: Authorization;
  date: NamedDate;
  pair: KeyPair;
}

/** Newer versions sign no bodies; who signs the body all the same has it checked, and it is not to be changed on the way. */
async function isSigned(call: ApiCall, made: Claim): Promise<boolean> {
  const { signature } = made.claim;
  const isForm = mediaType(call.incoming.headers['content-type']).startsWith('multipart/');
  if (isForm) return isSignature(signature, expectedSignature(call, made, NO_BODY));
  const isOptional = isAtLeast(call.version, UNSIGNED_BODIES);
  if (isOptional && isSignature(signature, expectedSignature(call, made, NO_BODY))) return true;
  return isSignature(signature, expectedSignature(call, made, await call.body(JSON_BYTES_MAX)));
}

const NO_BODY = Buffer.alloc(0);

function expectedSignature(call: ApiCall, { claim, date, pair }: Claim, body: Buffer): string {
  const { headers } = call.incoming;
  const signable = {
    method: call.method,
    target: call.target,
    date: date.text,
    day: date.day,
    host: headers.host ?? '',
    contentType: headers['content-type'],
    versionLine: versionLineOf(call.version),
    body,
  };
  return signatureOf(signable, pair.secretKey, claim.algorithm);
}

/** Who names no version signs the newest. */
function versionLineOf({ header, text }: ApiVersion): string {
  return header === '' ? `x-backendai-version:${API_VERSION}` : `${header}:${text}`;
}

function failed(extra: string, detail: string): ApiProblem {
  return new ApiProblem('auth-failed', extra, { detail, headers: ASK });
}

/** For whom the call is to act, if that is said: the original's client says it in the query, whatever the body has. */
export function ownerKeyOf(call: ApiCall, params?: Params): string | undefined {
  return params?.text('owner_access_key') ?? new URLSearchParams(call.query).get('owner_access_key') ?? undefined;
}

/** The pair for which the call acts: its own, or with `owner_access_key` another's. Throws ApiProblem `generic-forbidden`. */
export function ownerOf(caller: KeyPair, ownerAccessKey: string | undefined, keys: KeyRing): KeyPair {
  if (ownerAccessKey === undefined || ownerAccessKey === caller.accessKey) return caller;
  const me = keys.userOf(caller);
  const owner = keys.pair(ownerAccessKey);
  const other = owner && keys.userOf(owner);
  if (me?.role !== 'superadmin' && me?.role !== 'admin') throw forbidden();
  if (me.role === 'admin' && (other?.domain !== me.domain || other.role === 'superadmin')) throw forbidden();
  if (owner === undefined) throw new ApiProblem('invalid-api-params', 'Unknown owner access key');
  return owner;
}

function forbidden(): ApiProblem {
  return new ApiProblem('generic-forbidden', undefined, {
    detail: 'Only an administrator may act for another key, and one of a domain only within it.',
  });
}
