/** The operations that list, make, change, publish and remove functions. */
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { FunctionChange, FunctionStore } from '../registry/functions.ts';
import { ALIAS_OPERATIONS } from './aliases.ts';
import { AwsError } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { type FunctionName, functionMissing, LATEST, parseFunctionName } from './function-name.ts';
import {
  bodyOf,
  configurationOf,
  done,
  existing,
  flagIn,
  json,
  latestOf,
  listedOf,
  nameOf,
  type Operation,
  textIn,
} from './management.ts';
import { pageOf } from './paging.ts';
import { NUMBER } from './qualifier.ts';

/** Undefined if it is none of them. Throws AwsError. */
export async function manage(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer | undefined> {
  const operate = operationOf(request);
  if (operate === undefined) return undefined;
  try {
    return await operate(request, functions);
  } catch (error) {
    throw error instanceof Failure ? refusalOf(error, request) : error;
  }
}

/** By the form of the path, such as `NAME/aliases/ALIAS`. */
function operationOf({ method, segments }: AwsRequest): Operation | undefined {
  const [sent = '', verb, part, ...more] = segments;
  if (more.length > 0 || (part !== undefined && part === '')) return undefined;
  const form = `${sent === '' ? '' : 'NAME'}${verb ? `/${verb}` : ''}${part === undefined ? '' : '/ALIAS'}`;
  const key = `${method} ${form}`;
  return Object.hasOwn(OPERATIONS, key) ? OPERATIONS[key] : undefined;
}

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET ': listFunctions,
  'POST ': createFunction,
  'GET NAME': async (request, functions) => {
    const Configuration = configurationOf(await existing(nameOf(request), functions));
    return json(request, 200, { Configuration, Code: { RepositoryType: 'S3' }, Tags: {} });
  },
  'GET NAME/configuration': async (request, functions) =>
    json(request, 200, configurationOf(await existing(nameOf(request), functions))),
  'PUT NAME/code': updateCode,
  'PUT NAME/configuration': updateConfiguration,
  'DELETE NAME': deleteFunction,
  'GET NAME/versions': listVersions,
  'POST NAME/versions': publishVersion,
  ...ALIAS_OPERATIONS,
};

async function listFunctions(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const { query } = request;
  const latest = await functions.list();
  const wantsAll = query.get('FunctionVersion') === 'ALL';
  const all = wantsAll
    ? await Promise.all(latest.map(async (one) => [one, ...(await functions.versions(one.lambda))]))
    : latest;
  const { items, next } = pageOf(all.flat(), query);
  const tell = (record: (typeof items)[number]) =>
    wantsAll ? listedOf(record) : configurationOf({ name: { lambda: record.lambda, qualifier: undefined }, record });
  return json(request, 200, { Functions: items.map(tell), NextMarker: next });
}

async function createFunction(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const body = bodyOf(request);
  const { lambda, qualifier } = parseFunctionName(textIn(body, 'FunctionName') ?? '', undefined);
  if (qualifier !== undefined) throw invalid('A new function has no qualifier.');
  const code = isPlain(body.Code) ? body.Code : {};
  const publish = flagIn(body, 'Publish');
  await functions.create(lambda, zipIn(code), changeIn(body));
  return json(request, 201, await tellChanged({ lambda, qualifier: undefined }, { publish, functions }));
}

async function updateCode(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const name = await changeable(request, functions);
  const body = bodyOf(request);
  const publish = flagIn(body, 'Publish');
  const revision = textIn(body, 'RevisionId');
  if (flagIn(body, 'DryRun')) {
    await functions.tryCode(name.lambda, zipIn(body), { revision });
    return json(request, 200, configurationOf(await existing(name, functions)));
  }
  await functions.replaceCode(name.lambda, zipIn(body), { revision });
  return json(request, 200, await tellChanged(name, { publish, functions }));
}

async function updateConfiguration(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const name = await changeable(request, functions);
  const body = bodyOf(request);
  await functions.configure(name.lambda, changeIn(body), { revision: textIn(body, 'RevisionId') });
  return json(request, 200, await tellChanged(name, { publish: false, functions }));
}

async function deleteFunction(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const name = nameOf(request);
  const { lambda, qualifier } = name;
  if (qualifier !== undefined && !NUMBER.test(qualifier)) {
    throw invalid(
      qualifier === LATEST
        ? `${LATEST} version cannot be deleted without deleting the function.`
        : 'Deletion of aliases is not currently supported.',
    );
  }
  await existing(name, functions);
  await functions.remove(lambda, qualifier);
  return done(request);
}

async function listVersions(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const { record } = await existing(latestOf(request), functions);
  const { items, next } = pageOf([record, ...(await functions.versions(record.lambda))], request.query);
  return json(request, 200, { NextMarker: next, Versions: items.map(listedOf) });
}

async function publishVersion(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const { lambda } = await changeable(request, functions);
  const body = bodyOf(request);
  const [codeSha256, description, revision] = ['CodeSha256', 'Description', 'RevisionId'].map((key) =>
    textIn(body, key),
  );
  const version = await functions.publish(lambda, { codeSha256, description, revision });
  return json(request, 201, configurationOf(await existing({ lambda, qualifier: version }, functions)));
}

/** A function that is there. Throws AwsError. */
async function changeable(request: AwsRequest, functions: FunctionStore): Promise<FunctionName> {
  const { name } = await existing(latestOf(request), functions);
  return { lambda: name.lambda, qualifier: undefined };
}

/** The function as it is now, or the version that it has become. */
async function tellChanged(
  name: FunctionName,
  { publish, functions }: { publish: boolean; functions: FunctionStore },
): Promise<object> {
  if (!publish) return configurationOf(await existing(name, functions));
  const qualifier = await functions.publish(name.lambda, {});
  return configurationOf(await existing({ ...name, qualifier }, functions));
}

function changeIn(body: Record<string, unknown>): FunctionChange {
  const { Timeout, MemorySize, Environment } = body;
  const handler = textIn(body, 'Handler');
  const [description, role, runtime] = ['Description', 'Role', 'Runtime'].map((name) => textIn(body, name));
  const env = isPlain(Environment) ? (Environment.Variables ?? {}) : undefined;
  return {
    facts: {
      ...(description === undefined ? {} : { description }),
      ...(role === undefined ? {} : { role }),
      ...(runtime === undefined ? {} : { runtime }),
    },
    wishes: {
      ...(handler === undefined ? {} : { handler }),
      ...(typeof Timeout === 'number' ? { timeout_ms: Timeout * 1000 } : {}),
      ...(typeof MemorySize === 'number' ? { memory_mb: MemorySize } : {}),
      ...(env === undefined ? {} : { env: env as Record<string, string> }),
    },
  };
}

function zipIn({ ZipFile }: Record<string, unknown>): Buffer {
  if (typeof ZipFile === 'string') return Buffer.from(ZipFile, 'base64');
  throw invalid('Code is to be a ZipFile: nothing is fetched from S3, and no image.');
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
      return invalid(message);
    case 'lambda-missing':
      // It went while it was being changed.
      return request.segments[0] === '' ? failure : functionMissing(nameOf(request));
    default:
      return failure;
  }
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterValueException', message);
}
