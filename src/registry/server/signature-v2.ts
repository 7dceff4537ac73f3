/**
 * Presigned URLs of Signature Version 2, which `aws s3 presign` of the first AWS CLI and boto3 make unless
 * they are told otherwise. Nothing else of that version is taken.
 */
import { createHmac } from 'node:crypto';
import { sameText } from '../../lib/signature-check.ts';
import type { Credentials } from '../../lib/signature-v4.ts';
import type { S3Request } from './request.ts';
import { S3Error } from './s3-error.ts';
import { refuseExpired, unknownAccessKey, wrongSignature } from './signature-check.ts';

/** Parameters that are signed as a part of the resource. */
const SUBRESOURCES = new Set([
  'acl',
  'delete',
  'lifecycle',
  'location',
  'partNumber',
  'policy',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
  'tagging',
  'uploadId',
  'uploads',
  'versionId',
  'versioning',
]);

export function verifyVersion2(request: S3Request, keys: Credentials, nowMs: number): void {
  const { query } = request;
  const [accessKey = '', signature, expires = ''] = ['AWSAccessKeyId', 'Signature', 'Expires'].map((n) => query.get(n));
  if (!/^[0-9]{1,12}$/.test(expires) || signature === undefined) {
    throw new S3Error('AuthorizationQueryParametersError', 'The query has no Signature or no Expires in seconds.');
  }
  if (!sameText(accessKey, keys.accessKey)) throw unknownAccessKey(accessKey);
  const expected = createHmac('sha1', keys.secretKey).update(textToSign(request, expires)).digest('base64');
  if (!sameText(signature, expected)) throw wrongSignature();
  refuseExpired(Number(expires) * 1_000, nowMs);
}

function textToSign({ method, path, query, headers }: S3Request, expires: string): string {
  const amz = Object.keys(headers)
    .filter((name) => name.startsWith('x-amz-'))
    .sort()
    .map((name) => `${name}:${headers[name]?.trim()}\n`);
  const parameters = [...query]
    .filter(([name]) => SUBRESOURCES.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`));
  const resource = parameters.length === 0 ? path : `${path}?${parameters.join('&')}`;
  const head = [method, headers['content-md5'] ?? '', headers['content-type'] ?? '', expires].join('\n');
  return `${head}\n${amz.join('')}${resource}`;
}
