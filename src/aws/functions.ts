/** Functions are listed, made, changed, published and removed. */
import { isPlain } from '../config/parse.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { FunctionChange, FunctionStore } from '../registry/functions.ts';
import { AwsError } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { type FunctionName, LATEST, parseFunctionName } from './function-name.ts';
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
  textIn,
} from './management.ts';
import { pageOf } from './paging.ts';
import { NUMBER } from './qualifier.ts';

export async function listFunctions(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
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

export async function getFunction(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const Configuration = configurationOf(await existing(nameOf(request), functions));
  return json(request, 200, { Configuration, Code: { RepositoryType: 'S3' }, Tags: {} });
}

export async function getConfiguration(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  return json(request, 200, configurationOf(await existing(nameOf(request), functions)));
}

export async function createFunction(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const body = bodyOf(request);
  const { lambda, qualifier } = parseFunctionName(textIn(body, 'FunctionName') ?? '', undefined);
  if (qualifier !== undefined) throw invalid('A new function has no qualifier.');
  const code = isPlain(body.Code) ? body.Code : {};
  const publish = flagIn(body, 'Publish');
  await functions.create(lambda, zipIn(code), changeIn(body));
  return json(request, 201, await tellChanged({ lambda, qualifier: undefined }, { publish, functions }));
}

export async function updateCode(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
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

export async function updateConfiguration(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const name = await changeable(request, functions);
  const body = bodyOf(request);
  await functions.configure(name.lambda, changeIn(body), { revision: textIn(body, 'RevisionId') });
  return json(request, 200, await tellChanged(name, { publish: false, functions }));
}

export async function deleteFunction(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
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

export async function listVersions(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const { record } = await existing(latestOf(request), functions);
  const { items, next } = pageOf([record, ...(await functions.versions(record.lambda))], request.query);
  return json(request, 200, { NextMarker: next, Versions: items.map(listedOf) });
}

export async function publishVersion(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
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
  const env = isPlain(Environment) ? variablesIn(Environment) : undefined;
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
      ...(env === undefined ? {} : { env }),
    },
  };
}

function variablesIn({ Variables = {} }: Record<string, unknown>): Readonly<Record<string, string>> {
  if (isTexts(Variables)) return Variables;
  throw invalid('Environment.Variables is to be an object of texts.');
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isPlain(value) && Object.values(value).every((one) => typeof one === 'string');
}

function zipIn({ ZipFile }: Record<string, unknown>): Buffer {
  if (typeof ZipFile === 'string') return Buffer.from(ZipFile, 'base64');
  throw invalid('Code is to be a ZipFile: nothing is fetched from S3, and no image.');
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterValueException', message);
}
