/** What every kind of signature is judged with. */
import { S3Error } from './s3-error.ts';

export function unknownAccessKey(accessKey: string): S3Error {
  return new S3Error('InvalidAccessKeyId', 'The access key is not known here.', { AWSAccessKeyId: accessKey });
}

export function wrongSignature(): S3Error {
  return new S3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your secret key.',
  );
}

export function refuseExpired(expiresMs: number, nowMs: number): void {
  if (nowMs < expiresMs) return;
  const facts = { Expires: new Date(expiresMs).toISOString(), ServerTime: new Date(nowMs).toISOString() };
  throw new S3Error('AccessDenied', 'Request has expired', facts);
}
