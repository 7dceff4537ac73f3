/** Which S3 request is answered by what. */
import type { S3Answer } from './answer.ts';
import {
  createBucket,
  deleteBucket,
  deleteObjects,
  getLocation,
  getVersioning,
  headBucket,
  listBuckets,
  listVersion1,
  listVersion2,
  mustExist,
} from './buckets.ts';
import type { Exchange, ObjectExchange } from './exchange.ts';
import { abortUpload, completeUpload, copyPart, createUpload, listParts, listUploads, putPart } from './multipart.ts';
import { copyObject, deleteObject, getObject, getTags, putObject } from './objects.ts';
import { S3Error } from './s3-error.ts';

type Result = S3Answer | Promise<S3Answer>;

/** Parameters that make another request of it; those that are not done here must not be taken for the plain one. */
const SUBRESOURCES = new Set([
  'accelerate',
  'acl',
  'analytics',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'tagging',
  'torrent',
  'uploads',
  'versioning',
  'versions',
  'website',
]);

export function answerS3(exchange: Exchange): Result {
  const { bucket, key, query, method } = exchange.request;
  const subresource = [...query.keys()].find((name) => SUBRESOURCES.has(name));
  if (bucket === undefined) {
    if (method === 'GET') return listBuckets(exchange);
    throw notAllowed(method);
  }
  if (key === undefined) return answerBucket(exchange, bucket, subresource);
  if ((query.get('versionId') ?? 'null') !== 'null') {
    throw new S3Error('NoSuchVersion', 'Objects have no versions here; lambdas have, below /-/lambdas.');
  }
  return answerObject({ ...exchange, place: { bucket, key } }, subresource);
}

function answerBucket(exchange: Exchange, bucket: string, subresource: string | undefined): Result {
  const { method, query } = exchange.request;
  switch (`${method} ${subresource ?? ''}`) {
    case 'GET ':
      return query.get('list-type') === '2' ? listVersion2(exchange, bucket) : listVersion1(exchange, bucket);
    case 'HEAD ':
      return headBucket(exchange, bucket);
    case 'PUT ':
      return createBucket(exchange, bucket);
    case 'DELETE ':
      return deleteBucket(exchange, bucket);
    case 'GET location':
      return getLocation(exchange, bucket);
    case 'GET versioning':
      return getVersioning(exchange, bucket);
    case 'GET uploads':
      mustExist(exchange.store, bucket);
      return listUploads(exchange, bucket);
    case 'POST delete':
      return deleteObjects(exchange, bucket);
    case 'GET policy':
      throw new S3Error('NoSuchBucketPolicy', 'The bucket policy does not exist');
    default:
      throw subresource === undefined ? notAllowed(method) : notImplemented(method, subresource);
  }
}

function answerObject(exchange: ObjectExchange, subresource: string | undefined): Result {
  const { method, query, headers } = exchange.request;
  const copies = headers['x-amz-copy-source'] !== undefined;
  const ofUpload = query.has('uploadId');
  switch (`${method} ${subresource ?? (ofUpload ? 'uploadId' : '')}`) {
    case 'GET ':
    case 'HEAD ':
      if (query.has('partNumber')) throw notImplemented(method, 'partNumber');
      return getObject(exchange);
    case 'PUT ':
      return copies ? copyObject(exchange) : putObject(exchange);
    case 'DELETE ':
      return deleteObject(exchange);
    case 'GET tagging':
      return getTags(exchange);
    case 'POST uploads':
      return createUpload(exchange);
    case 'PUT uploadId':
      return copies ? copyPart(exchange) : putPart(exchange);
    case 'POST uploadId':
      return completeUpload(exchange);
    case 'DELETE uploadId':
      return abortUpload(exchange);
    case 'GET uploadId':
      return listParts(exchange);
    default:
      throw subresource === undefined ? notAllowed(method) : notImplemented(method, subresource);
  }
}

function notAllowed(method: string): S3Error {
  return new S3Error('MethodNotAllowed', `The method ${method} is not allowed against this resource.`);
}

function notImplemented(method: string, what: string): S3Error {
  return new S3Error('NotImplemented', `${method} of ?${what} is not done here.`);
}
