/** The operations on aliases: names that lead to versions of a function. */

import { isPlain } from '../config/parse.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { Alias, FunctionStore } from '../registry/functions.ts';
import type { LambdaName } from '../registry/source.ts';
import { AwsError } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { arnOf, functionMissing, LATEST } from './function-name.ts';
import { bodyOf, done, json, latestOf, textIn } from './management.ts';
import { pageOf } from './paging.ts';
import { aliasMissing, NUMBER } from './qualifier.ts';

const ALIAS = /^(?!\d+$)[A-Za-z0-9_-]{1,128}$/;

export async function listAliases(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const lambda = await functionIn(request, functions);
  const asked = request.query.get('FunctionVersion');
  const all = [...(await functions.aliases(lambda))].sort(([a], [b]) => (a < b ? -1 : 1));
  const wanted = all.filter(([, { version, also }]) => asked === null || version === asked || also?.version === asked);
  const { items, next } = pageOf(wanted, request.query);
  const Aliases = items.map(([name, alias]) => told(lambda, name, alias));
  return json(request, 200, { Aliases, NextMarker: next });
}

export async function createAlias(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const lambda = await functionIn(request, functions);
  const body = bodyOf(request);
  const name = aliasName(textIn(body, 'Name') ?? '');
  const version = versionIn(body);
  if (version === undefined) throw invalid('FunctionVersion is missing.');
  if ((await functions.aliases(lambda)).has(name)) {
    throw new AwsError('ResourceConflictException', `Alias already exists: ${arnOf({ lambda, qualifier: name })}`);
  }
  await needVersion(lambda, version, functions);
  const said = { version, description: textIn(body, 'Description') ?? '', also: alsoIn(body) ?? undefined };
  return json(request, 201, told(lambda, name, await functions.createAlias(lambda, name, said)));
}

export async function getAlias(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const lambda = await functionIn(request, functions);
  const name = nameIn(request);
  return json(
    request,
    200,
    told(lambda, name, (await functions.aliases(lambda)).get(name) ?? aliasMissing(lambda, name)),
  );
}

export async function updateAlias(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  const lambda = await functionIn(request, functions);
  const name = nameIn(request);
  if (!(await functions.aliases(lambda)).has(name)) aliasMissing(lambda, name);
  const body = bodyOf(request);
  const version = versionIn(body);
  if (version !== undefined) await needVersion(lambda, version, functions);
  const [description, revision] = [textIn(body, 'Description'), textIn(body, 'RevisionId')];
  const change = { version, description, revision, ...(isPlain(body.RoutingConfig) ? { also: alsoIn(body) } : {}) };
  return json(request, 200, told(lambda, name, await functions.updateAlias(lambda, name, change)));
}

export async function deleteAlias(request: AwsRequest, functions: FunctionStore): Promise<PlainAnswer> {
  await functions.removeAlias(await functionIn(request, functions), nameIn(request));
  return done(request);
}

async function functionIn(request: AwsRequest, functions: FunctionStore): Promise<LambdaName> {
  const name = latestOf(request);
  if ((await functions.find(name.lambda)) === undefined) throw functionMissing(name);
  return name.lambda;
}

async function needVersion(lambda: LambdaName, version: string, functions: FunctionStore): Promise<void> {
  if (version === LATEST || (await functions.find(lambda, version)) !== undefined) return;
  throw functionMissing({ lambda, qualifier: version });
}

function nameIn({ segments }: AwsRequest): string {
  return aliasName(segments[2] ?? '');
}

function aliasName(name: string): string {
  if (ALIAS.test(name)) return name;
  throw invalid(
    `${JSON.stringify(name.slice(0, 200))} is no name of an alias: A-Z a-z 0-9 _ -, 1 to 128, not digits only.`,
  );
}

function versionIn(body: Record<string, unknown>): string | undefined {
  const version = textIn(body, 'FunctionVersion');
  if (version === undefined || version === LATEST || NUMBER.test(version)) return version;
  throw invalid(
    `FunctionVersion: ${JSON.stringify(version.slice(0, 100))} is neither ${LATEST} nor the number of a version.`,
  );
}

/** Of `{"AdditionalVersionWeights": {"2": 0.1}}`; null if it has none. */
function alsoIn({ RoutingConfig }: Record<string, unknown>): Alias['also'] | null {
  const weights = isPlain(RoutingConfig) ? (RoutingConfig.AdditionalVersionWeights ?? {}) : {};
  if (!isPlain(weights)) throw invalid('AdditionalVersionWeights is no object.');
  const [first, ...more] = Object.entries(weights);
  if (first === undefined) return null;
  const [version, weight] = first;
  if (more.length > 0) throw invalid('Number of items in AdditionalVersionWeights cannot be greater than 1.');
  if (!NUMBER.test(version)) throw invalid(`${JSON.stringify(version.slice(0, 100))} is not the number of a version.`);
  if (typeof weight !== 'number' || !(weight >= 0 && weight <= 1)) {
    throw invalid('A weight of AdditionalVersionWeights is a number from 0.0 to 1.0.');
  }
  return { version, weight };
}

function told(lambda: LambdaName, name: string, { version, description, also, revision }: Alias): object {
  return {
    AliasArn: arnOf({ lambda, qualifier: name }),
    Name: name,
    FunctionVersion: version,
    Description: description,
    ...(also === undefined ? {} : { RoutingConfig: { AdditionalVersionWeights: { [also.version]: also.weight } } }),
    RevisionId: revision,
  };
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterValueException', message);
}
