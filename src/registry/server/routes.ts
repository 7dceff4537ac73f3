/** Which S3 request is answered by what. */
import type { Endpoint } from '../../http/endpoint.ts';
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
import { type S3Code, S3Error } from './s3-error.ts';

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

interface Operation<Asked> extends Endpoint<S3Code> {
  answer(exchange: Asked, bucket: string): Result;
}

const BUCKET = '/:bucket';
const OBJECT = '/:bucket/:key';

export const SERVICE_OPERATIONS: Readonly<Record<string, Operation<Exchange>>> = {
  GET: { method: 'GET', path: '/', answers: 'ListBuckets', answer: listBuckets },
};

/** By method, and subresource if there is one. */
export const BUCKET_OPERATIONS: Readonly<Record<string, Operation<Exchange>>> = {
  GET: {
    method: 'GET',
    path: BUCKET,
    takes:
      '`list-type=2`, `prefix`, `delimiter`, `max-keys`, `start-after`, `continuation-token`, `marker`, `encoding-type`',
    answers: 'ListObjectsV2, else ListObjects',
    answer: (exchange, bucket) =>
      exchange.request.query.get('list-type') === '2' ? listVersion2(exchange, bucket) : listVersion1(exchange, bucket),
  },
  HEAD: { method: 'HEAD', path: BUCKET, answers: 'HeadBucket', answer: headBucket },
  PUT: { method: 'PUT', path: BUCKET, answers: 'CreateBucket', answer: createBucket },
  DELETE: { method: 'DELETE', path: BUCKET, answers: 'DeleteBucket', answer: deleteBucket },
  'GET location': { method: 'GET', path: `${BUCKET}?location`, answers: 'GetBucketLocation', answer: getLocation },
  'GET versioning': {
    method: 'GET',
    path: `${BUCKET}?versioning`,
    answers: 'GetBucketVersioning: there is none',
    answer: getVersioning,
  },
  'GET uploads': {
    method: 'GET',
    path: `${BUCKET}?uploads`,
    takes: '`prefix`',
    answers: 'ListMultipartUploads',
    answer(exchange, bucket) {
      mustExist(exchange.store, bucket);
      return listUploads(exchange, bucket);
    },
  },
  'POST delete': { method: 'POST', path: `${BUCKET}?delete`, answers: 'DeleteObjects', answer: deleteObjects },
  'GET policy': {
    method: 'GET',
    path: `${BUCKET}?policy`,
    answers: 'GetBucketPolicy: there is none, 404',
    answer() {
      throw new S3Error('NoSuchBucketPolicy', 'The bucket policy does not exist');
    },
  },
};

/** By method, and subresource if there is one. */
export const OBJECT_OPERATIONS: Readonly<Record<string, Operation<ObjectExchange>>> = {
  GET: { method: 'GET', path: OBJECT, takes: '`Range`, `If-…`', answers: 'GetObject', answer: getOne },
  HEAD: { method: 'HEAD', path: OBJECT, takes: '`If-…`', answers: 'HeadObject', answer: getOne },
  PUT: {
    method: 'PUT',
    path: OBJECT,
    takes: 'the bytes, or `x-amz-copy-source`; `If-…`, `x-amz-meta-…`, checksums',
    answers: 'PutObject, CopyObject; `x-isla-version` of a bundle',
    answer: (exchange) => (isCopy(exchange) ? copyObject(exchange) : putObject(exchange)),
  },
  DELETE: { method: 'DELETE', path: OBJECT, answers: 'DeleteObject', answer: deleteObject },
  'GET tagging': { method: 'GET', path: `${OBJECT}?tagging`, answers: 'GetObjectTagging', answer: getTags },
  'POST uploads': { method: 'POST', path: `${OBJECT}?uploads`, answers: 'CreateMultipartUpload', answer: createUpload },
  'PUT uploadId': {
    method: 'PUT',
    path: `${OBJECT}?uploadId&partNumber`,
    takes: 'the bytes, or `x-amz-copy-source`',
    answers: 'UploadPart, UploadPartCopy',
    answer: (exchange) => (isCopy(exchange) ? copyPart(exchange) : putPart(exchange)),
  },
  'POST uploadId': {
    method: 'POST',
    path: `${OBJECT}?uploadId`,
    takes: 'the parts, XML',
    answers: 'CompleteMultipartUpload',
    answer: completeUpload,
  },
  'DELETE uploadId': {
    method: 'DELETE',
    path: `${OBJECT}?uploadId`,
    answers: 'AbortMultipartUpload',
    answer: abortUpload,
  },
  'GET uploadId': { method: 'GET', path: `${OBJECT}?uploadId`, answers: 'ListParts', answer: listParts },
};

export function answerS3(exchange: Exchange): Result {
  const { bucket, key, query } = exchange.request;
  const subresource = [...query.keys()].find((name) => SUBRESOURCES.has(name));
  if (bucket === undefined) return operationIn(SERVICE_OPERATIONS, exchange, undefined).answer(exchange, '');
  if (key === undefined) return operationIn(BUCKET_OPERATIONS, exchange, subresource).answer(exchange, bucket);
  if ((query.get('versionId') ?? 'null') !== 'null') {
    throw new S3Error('NoSuchVersion', 'Objects have no versions here; lambdas have, below /-/lambdas.');
  }
  const part = query.has('uploadId') ? 'uploadId' : undefined;
  const operation = operationIn(OBJECT_OPERATIONS, exchange, subresource ?? part);
  return operation.answer({ ...exchange, place: { bucket, key } }, bucket);
}

/** Throws S3Error if there is none. */
function operationIn<Asked>(
  operations: Readonly<Record<string, Operation<Asked>>>,
  { request: { method } }: Exchange,
  subresource: string | undefined,
): Operation<Asked> {
  const key = subresource === undefined ? method : `${method} ${subresource}`;
  const operation = Object.hasOwn(operations, key) ? operations[key] : undefined;
  if (operation !== undefined) return operation;
  throw subresource === undefined || subresource === 'uploadId'
    ? notAllowed(method)
    : notImplemented(method, subresource);
}

function getOne(exchange: ObjectExchange): Result {
  const { method, query } = exchange.request;
  if (query.has('partNumber')) throw notImplemented(method, 'partNumber');
  return getObject(exchange);
}

function isCopy({ request: { headers } }: ObjectExchange): boolean {
  return headers['x-amz-copy-source'] !== undefined;
}

function notAllowed(method: string): S3Error {
  return new S3Error('MethodNotAllowed', `The method ${method} is not allowed against this resource.`);
}

function notImplemented(method: string, what: string): S3Error {
  return new S3Error('NotImplemented', `${method} of ?${what} is not done here.`);
}
