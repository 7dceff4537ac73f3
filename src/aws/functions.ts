/** The operations that list, make, change and remove functions, where the registry is a directory. */
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { FunctionChange, FunctionRecord, LocalFunctions } from '../registry/local-functions.ts';
import { AwsError, requestIdHeaders } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { arnOf, functionMissing, LATEST, parseFunctionName } from './function-name.ts';

/** Undefined where the registry is none that can be changed here. */
export type Functions = LocalFunctions | undefined;

/** Undefined if it is none of them. Throws AwsError. */
export async function manage(request: AwsRequest, functions: Functions): Promise<PlainAnswer | undefined> {
  const { method, segments } = request;
  const [sent = '', verb, ...more] = segments;
  const operate =
    more.length > 0 ? undefined : OPERATIONS[`${method} ${sent === '' ? '' : 'NAME'}${verb ? `/${verb}` : ''}`];
  if (operate === undefined) return undefined;
  if (functions === undefined) {
    const message = 'The registry is an S3 store: functions are deployed to it with `admin upload` or any S3 client.';
    throw new AwsError('InvalidParameterValueException', message);
  }
  try {
    return await operate(request, functions);
  } catch (error) {
    throw error instanceof Failure ? refusalOf(error) : error;
  }
}

type Operation = (request: AwsRequest, functions: LocalFunctions) => Promise<PlainAnswer> | PlainAnswer;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET ': (request, functions) =>
    json(request, 200, { Functions: functions.list().map(configurationOf), NextMarker: null }),
  'POST ': createFunction,
  'GET NAME': (request, functions) => {
    const Configuration = configurationOf(existing(request, functions));
    return json(request, 200, { Configuration, Code: { RepositoryType: 'S3' }, Tags: {} });
  },
  'GET NAME/configuration': (request, functions) => json(request, 200, configurationOf(existing(request, functions))),
  'PUT NAME/code': async (request, functions) => {
    const { lambda } = existing(request, functions);
    await functions.replaceCode(lambda, zipIn(bodyOf(request)));
    return json(request, 200, configurationOf(existing(request, functions)));
  },
  'PUT NAME/configuration': async (request, functions) => {
    const { lambda } = existing(request, functions);
    await functions.configure(lambda, changeIn(bodyOf(request)));
    return json(request, 200, configurationOf(existing(request, functions)));
  },
  'DELETE NAME': async (request, functions) => {
    await functions.remove(existing(request, functions).lambda);
    return { status: 204, headers: requestIdHeaders(request.admitted.requestId), body: null };
  },
};

async function createFunction(request: AwsRequest, functions: LocalFunctions): Promise<PlainAnswer> {
  const body = bodyOf(request);
  const { lambda } = parseFunctionName(textIn(body, 'FunctionName') ?? '', undefined);
  const code = isPlain(body.Code) ? body.Code : {};
  await functions.create(lambda, zipIn(code), changeIn(body));
  return json(request, 201, configurationOf(functions.find(lambda) as FunctionRecord));
}

function existing({ segments, query }: AwsRequest, functions: LocalFunctions): FunctionRecord {
  const name = parseFunctionName(segments[0] ?? '', query.get('Qualifier') ?? undefined);
  const found = (name.qualifier ?? LATEST) === LATEST ? functions.find(name.lambda) : undefined;
  if (found === undefined) throw functionMissing(name);
  return found;
}

/** What AWS's clients are told of a function. */
function configurationOf({ lambda, facts, spec, modifiedMs }: FunctionRecord): Record<string, unknown> {
  return {
    FunctionName: lambda,
    FunctionArn: arnOf({ lambda, qualifier: undefined }),
    Runtime: facts.runtime ?? (spec.runtime === 'node' ? 'nodejs20.x' : 'python3.11'),
    Role: facts.role ?? 'arn:aws:iam::000000000000:role/none',
    Handler: spec.handler?.text ?? '',
    CodeSize: facts.codeSize ?? 0,
    Description: facts.description ?? '',
    Timeout: Math.ceil(spec.limits.timeout_ms / 1000),
    MemorySize: spec.limits.memory_mb,
    LastModified: new Date(modifiedMs).toISOString().replace('Z', '+0000'),
    CodeSha256: facts.codeSha256 ?? '',
    Version: LATEST,
    Environment: { Variables: spec.env },
    TracingConfig: { Mode: 'PassThrough' },
    State: 'Active',
    LastUpdateStatus: 'Successful',
    PackageType: 'Zip',
    Architectures: [process.arch === 'arm64' ? 'arm64' : 'x86_64'],
  };
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
  throw new AwsError(
    'InvalidParameterValueException',
    'Code is to be a ZipFile: nothing is fetched from S3, and no image.',
  );
}

function textIn(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw new AwsError('InvalidParameterValueException', `${name} is no string.`);
}

function bodyOf({ body }: AwsRequest): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    value = undefined;
  }
  if (isPlain(value)) return value;
  throw new AwsError('InvalidRequestContentException', 'The body is not a JSON object.');
}

function refusalOf(failure: Failure): AwsError | Failure {
  switch (failure.code) {
    case 'conflict':
      return new AwsError('ResourceConflictException', failure.message);
    case 'lambda-invalid':
      return new AwsError('InvalidParameterValueException', failure.message);
    default:
      return failure;
  }
}

function json({ admitted }: AwsRequest, status: number, body: object): PlainAnswer {
  const headers = ['Content-Type', 'application/json', ...requestIdHeaders(admitted.requestId)];
  return { status, headers, body: JSON.stringify(body) };
}
