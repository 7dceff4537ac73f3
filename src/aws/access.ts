/** Who may ask: whoever signs with the keys, where there are some; else everybody who reaches the worker, as below /runLambda. */
import type { IncomingMessage } from 'node:http';
import { hostName, isLoopback } from '../lib/loopback.ts';
import { checkClaim, readHeaderClaim, SignatureError, type SignatureFault } from '../lib/signature-check.ts';
import { ALGORITHM, type Credentials, sha256 } from '../lib/signature-v4.ts';
import { AwsError, type AwsErrorName } from './aws-error.ts';

export interface Access {
  /** What clients sign with; undefined if they need not. */
  keys: Credentials | undefined;
  /** Where the worker listens. */
  host: string;
}

/** `body` is all of it. Throws AwsError unless the request is signed, or need not be. */
export function authenticate({ keys }: Access, incoming: IncomingMessage, body: Buffer): void {
  if (keys === undefined) return;
  const headers = joined(incoming);
  if (!headers.authorization?.startsWith(ALGORITHM)) {
    throw new AwsError(
      'MissingAuthenticationTokenException',
      'The request is not signed with AWS Signature Version 4.',
    );
  }
  const { method = '', url = '/' } = incoming;
  const at = url.indexOf('?');
  const [path, query] = at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
  try {
    const claim = readHeaderClaim(headers, 'lambda', Date.now());
    checkClaim({ method, path, query, headers, payloadHash: sha256(body), pathEncodings: 2 }, claim, keys);
  } catch (error) {
    if (error instanceof SignatureError) throw new AwsError(NAMES[error.code], error.message);
    // The path was decoded before, the query was not.
    if (error instanceof URIError) throw new AwsError('IncompleteSignatureException', 'The query is not well encoded.');
    throw error;
  }
}

/**
 * To be asked before a lambda is read or changed, which is more than to run it. Without keys that is for this machine
 * alone, and not for the pages that somebody's browser shows: those say where they come from, unless they read from
 * what they take for their own host, a name that somebody's DNS points to 127.0.0.1. Throws AwsError.
 */
export function authorizeManagement({ keys, host }: Access, { headers }: IncomingMessage): void {
  if (keys !== undefined) return;
  const isOwnName = isLoopback(hostName(headers.host ?? ''));
  if (isLoopback(host) && isOwnName && headers.origin === undefined) return;
  const message = isLoopback(host)
    ? 'Pages in a browser manage no functions here, nor who calls this machine by another name; set aws_keys_file, and sign.'
    : `The worker listens on ${host} without keys, where functions are only invoked; set aws_keys_file, and sign.`;
  throw new AwsError('AccessDeniedException', message);
}

const NAMES: Readonly<Record<SignatureFault, AwsErrorName>> = {
  AccessDenied: 'InvalidSignatureException',
  AuthorizationHeaderMalformed: 'IncompleteSignatureException',
  AuthorizationQueryParametersError: 'IncompleteSignatureException',
  InvalidAccessKeyId: 'UnrecognizedClientException',
  RequestTimeTooSkewed: 'InvalidSignatureException',
  SignatureDoesNotMatch: 'InvalidSignatureException',
};

/** By lower-case name; what comes several times is joined with commas, as it is signed. */
function joined({ headersDistinct }: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values = []] of Object.entries(headersDistinct)) headers[name] = values.join(',');
  return headers;
}
