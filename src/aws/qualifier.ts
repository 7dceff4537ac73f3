/** Which version a qualifier means: `$LATEST`, a number, or the name of an alias that leads to one of them. */
import type { Alias, FunctionStore } from '../registry/functions.ts';
import type { LambdaName } from '../registry/source.ts';
import { AwsError } from './aws-error.ts';
import { arnOf, type FunctionName, LATEST } from './function-name.ts';

export const NUMBER = /^[1-9][0-9]{0,8}$/;

/**
 * The number of a version, which may not be there; undefined for the current code. Of an alias that leads to two, the
 * one that `chance` (0 to 1) says, or the first. Throws AwsError `ResourceNotFoundException`.
 */
export async function versionMeant(
  { lambda, qualifier = LATEST }: FunctionName,
  functions: FunctionStore,
  chance = 1,
): Promise<string | undefined> {
  if (qualifier === LATEST) return undefined;
  if (NUMBER.test(qualifier)) return qualifier;
  const { version, also } = await aliasOf(lambda, qualifier, functions);
  const chosen = also !== undefined && chance < also.weight ? also.version : version;
  return chosen === LATEST ? undefined : chosen;
}

/** As calls see it. Throws AwsError `ResourceNotFoundException`. */
async function aliasOf(lambda: LambdaName, name: string, functions: FunctionStore): Promise<Alias> {
  return (await functions.alias(lambda, name)) ?? aliasMissing(lambda, name);
}

export function aliasMissing(lambda: LambdaName, name: string): never {
  const arn = arnOf({ lambda, qualifier: name });
  throw new AwsError('ResourceNotFoundException', `Cannot find alias arn: ${arn}`);
}
