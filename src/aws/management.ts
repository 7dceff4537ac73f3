/** What the operations that look after functions have in common: what they are asked, and how they answer. */
import type { LambdaSpec } from '../config/lambda-spec.ts';
import { isPlain } from '../config/parse.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { FunctionRecord, FunctionStore } from '../registry/functions.ts';
import { AwsError, requestIdHeaders } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { arnOf, type FunctionName, functionMissing, LATEST, parseFunctionName } from './function-name.ts';
import { versionMeant } from './qualifier.ts';

/** The function that the path names, with its qualifier. Throws AwsError. */
export function nameOf({ segments, query }: AwsRequest): FunctionName {
  return parseFunctionName(segments[0] ?? '', query.get('Qualifier') ?? undefined);
}

/** As `nameOf`, for what is changed, or listed as a whole: a version never changes. Throws AwsError. */
export function latestOf(request: AwsRequest): FunctionName {
  const name = nameOf(request);
  if ((name.qualifier ?? LATEST) === LATEST) return name;
  throw new AwsError('InvalidParameterValueException', `This is done to ${LATEST} only, not to ${name.qualifier}.`);
}

export interface Existing {
  name: FunctionName;
  record: FunctionRecord;
}

/** The function, or the version that is meant. Throws AwsError `ResourceNotFoundException`. */
export async function existing(name: FunctionName, functions: FunctionStore): Promise<Existing> {
  const version = await versionMeant(name, functions);
  const record = await functions.find(name.lambda, version);
  if (record === undefined) throw functionMissing(name);
  return { name, record };
}

/** What AWS's clients are told of a function, or of a version of it. */
export function configurationOf({ name, record }: Existing): Record<string, unknown> {
  const { facts, spec, modifiedMs, version = LATEST, revision } = record;
  return {
    FunctionName: name.lambda,
    FunctionArn: arnOf(name),
    ...(spec === undefined ? {} : wishesOf(spec)),
    ...(facts.runtime === undefined ? {} : { Runtime: facts.runtime }),
    Role: facts.role ?? 'arn:aws:iam::000000000000:role/none',
    CodeSize: facts.codeSize ?? 0,
    Description: facts.description ?? '',
    LastModified: new Date(modifiedMs).toISOString().replace('Z', '+0000'),
    CodeSha256: facts.codeSha256 ?? '',
    Version: version,
    TracingConfig: { Mode: 'PassThrough' },
    ...(revision === '' ? {} : { RevisionId: revision }),
    State: 'Active',
    LastUpdateStatus: 'Successful',
    PackageType: 'Zip',
    Architectures: [process.arch === 'arm64' ? 'arm64' : 'x86_64'],
  };
}

function wishesOf({ runtime, handler, limits, env }: LambdaSpec): Record<string, unknown> {
  return {
    Runtime: runtime === 'node' ? 'nodejs20.x' : 'python3.11',
    Handler: handler?.text ?? '',
    Timeout: Math.ceil(limits.timeout_ms / 1000),
    MemorySize: limits.memory_mb,
    Environment: { Variables: env },
  };
}

/** As a list has them: each by its number. */
export function listedOf(record: FunctionRecord): Record<string, unknown> {
  return configurationOf({ name: { lambda: record.lambda, qualifier: record.version ?? LATEST }, record });
}

/** Throws AwsError unless it is JSON of an object; an empty one is `{}`. */
export function bodyOf({ body }: AwsRequest): Record<string, unknown> {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    value = undefined;
  }
  if (isPlain(value)) return value;
  throw new AwsError('InvalidRequestContentException', 'The body is not a JSON object.');
}

export function textIn(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw new AwsError('InvalidParameterValueException', `${name} is no string.`);
}

export function flagIn(body: Record<string, unknown>, name: string): boolean {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'boolean') return value === true;
  throw new AwsError('InvalidParameterValueException', `${name} is neither true nor false.`);
}

export function json({ admitted }: AwsRequest, status: number, body: object): PlainAnswer {
  const headers = ['Content-Type', 'application/json', ...requestIdHeaders(admitted.requestId)];
  return { status, headers, body: JSON.stringify(body) };
}

export function done({ admitted }: AwsRequest): PlainAnswer {
  return { status: 204, headers: requestIdHeaders(admitted.requestId), body: null };
}
