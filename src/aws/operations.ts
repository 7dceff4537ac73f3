/** The operations that look after functions: where each is asked, and what does it. */
import { Failure } from '../config/failure.ts';
import type { Endpoint } from '../http/endpoint.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { FunctionStore } from '../registry/functions.ts';
import { createAlias, deleteAlias, getAlias, listAliases, updateAlias } from './aliases.ts';
import { AwsError, type AwsErrorName } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { functionMissing } from './function-name.ts';
import {
  createFunction,
  deleteFunction,
  getConfiguration,
  getFunction,
  listFunctions,
  listVersions,
  publishVersion,
  updateCode,
  updateConfiguration,
} from './functions.ts';
import { nameOf } from './management.ts';

export const FUNCTIONS_PATH = '/2015-03-31/functions/';

interface Operation extends Endpoint<AwsErrorName> {
  operate(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer>;
}

// Newer clients leave the slash away.
const FUNCTIONS = { path: FUNCTIONS_PATH, also: [FUNCTIONS_PATH.slice(0, -1)] } as const;
const NAMED = `${FUNCTIONS_PATH}:name`;
const ALIAS = `${NAMED}/aliases/:alias`;

const FINDS = ['ResourceNotFoundException'] as const;
const CHANGES = ['ResourceNotFoundException', 'ResourceConflictException', 'PreconditionFailedException'] as const;

/** Bodies and answers are AWS's own, as far as there is something here that they can speak of. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  listFunctions: {
    method: 'GET',
    ...FUNCTIONS,
    takes: '`FunctionVersion=ALL`, `MaxItems`, `Marker`',
    answers: '200 ListFunctions',
    operate: listFunctions,
  },
  createFunction: {
    method: 'POST',
    ...FUNCTIONS,
    takes:
      '`{"FunctionName", "Code": {"ZipFile"}, "Handler", "Timeout", "MemorySize", "Environment", "Description", "Role", "Runtime", "Publish"}`',
    answers: '201 CreateFunction',
    errors: ['ResourceConflictException'],
    operate: createFunction,
  },
  getFunction: { method: 'GET', path: NAMED, answers: '200 GetFunction', errors: FINDS, operate: getFunction },
  deleteFunction: {
    method: 'DELETE',
    path: NAMED,
    answers: '204 DeleteFunction: all of it, or the version of `Qualifier`',
    errors: ['ResourceNotFoundException', 'ResourceConflictException'],
    operate: deleteFunction,
  },
  getConfiguration: {
    method: 'GET',
    path: `${NAMED}/configuration`,
    answers: '200 GetFunctionConfiguration',
    errors: FINDS,
    operate: getConfiguration,
  },
  updateConfiguration: {
    method: 'PUT',
    path: `${NAMED}/configuration`,
    takes: 'those of CreateFunction that are to change, `RevisionId`',
    answers: '200 UpdateFunctionConfiguration',
    errors: CHANGES,
    operate: updateConfiguration,
  },
  updateCode: {
    method: 'PUT',
    path: `${NAMED}/code`,
    takes: '`{"ZipFile", "Publish", "DryRun", "RevisionId"}`',
    answers: '200 UpdateFunctionCode',
    errors: CHANGES,
    operate: updateCode,
  },
  listVersions: {
    method: 'GET',
    path: `${NAMED}/versions`,
    takes: '`MaxItems`, `Marker`',
    answers: '200 ListVersionsByFunction',
    errors: FINDS,
    operate: listVersions,
  },
  publishVersion: {
    method: 'POST',
    path: `${NAMED}/versions`,
    takes: '`{"CodeSha256", "Description", "RevisionId"}`',
    answers: '201 PublishVersion',
    errors: CHANGES,
    operate: publishVersion,
  },
  listAliases: {
    method: 'GET',
    path: `${NAMED}/aliases`,
    takes: '`FunctionVersion`, `MaxItems`, `Marker`',
    answers: '200 ListAliases',
    errors: FINDS,
    operate: listAliases,
  },
  createAlias: {
    method: 'POST',
    path: `${NAMED}/aliases`,
    takes: '`{"Name", "FunctionVersion", "Description", "RoutingConfig"}`',
    answers: '201 CreateAlias',
    errors: ['ResourceNotFoundException', 'ResourceConflictException'],
    operate: createAlias,
  },
  getAlias: { method: 'GET', path: ALIAS, answers: '200 GetAlias', errors: FINDS, operate: getAlias },
  updateAlias: {
    method: 'PUT',
    path: ALIAS,
    takes: '`{"FunctionVersion", "Description", "RoutingConfig", "RevisionId"}`',
    answers: '200 UpdateAlias',
    errors: ['ResourceNotFoundException', 'PreconditionFailedException'],
    operate: updateAlias,
  },
  deleteAlias: { method: 'DELETE', path: ALIAS, answers: '204 DeleteAlias', errors: FINDS, operate: deleteAlias },
};

/** Undefined if it is none of them. Throws AwsError. */
export async function manage(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer | undefined> {
  const operation = operationOf(request);
  if (operation === undefined) return undefined;
  try {
    return await operation.operate(request, functions);
  } catch (error) {
    throw error instanceof Failure ? refusalOf(error, request) : error;
  }
}

/** By the form of the path, such as `:name/aliases/:alias`. */
function operationOf({ method, segments }: AwsRequest): Operation | undefined {
  const [sent = '', verb, part, ...more] = segments;
  if (more.length > 0 || part === '') return undefined;
  const form = `${sent === '' ? '' : ':name'}${verb ? `/${verb}` : ''}${part === undefined ? '' : '/:alias'}`;
  return Object.values(OPERATIONS).find((one) => one.method === method && one.path === FUNCTIONS_PATH + form);
}

function refusalOf(failure: Failure, request: AwsRequest): AwsError | Failure {
  const { code, message } = failure;
  switch (code) {
    case 'conflict':
      return new AwsError('ResourceConflictException', message);
    case 'revision-old':
      return new AwsError('PreconditionFailedException', message);
    case 'lambda-invalid':
    // The store can not take changes, however often somebody tries.
    case 'config-invalid':
      return new AwsError('InvalidParameterValueException', message);
    case 'lambda-missing':
      // It went while it was being changed.
      return request.segments[0] === '' ? failure : functionMissing(nameOf(request));
    default:
      return failure;
  }
}
