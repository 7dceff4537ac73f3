/** Which objects are lambdas: bundles at the top of the bucket of lambdas. */
import { LAMBDA_NAME_RULE, type LambdaName, parseLambdaName } from '../source.ts';
import type { Place } from './objects-table.ts';
import { S3Error } from './s3-error.ts';

/** Is there from the start, and stays. */
export const LAMBDAS_BUCKET = 'registry';

const ENDINGS = ['.tar.gz', '.tgz', '.zip'] as const;

/** The lambda that an object is; undefined if it is a loose file. Throws S3Error `InvalidBundle` if no lambda may be called so. */
export function lambdaOf({ bucket, key }: Place): LambdaName | undefined {
  if (bucket !== LAMBDAS_BUCKET || key.includes('/')) return undefined;
  const ending = ENDINGS.find((one) => key.endsWith(one));
  if (ending === undefined) return undefined;
  const name = key.slice(0, -ending.length);
  const lambda = parseLambdaName(name);
  if (lambda !== undefined) return lambda;
  throw new S3Error('InvalidBundle', `${JSON.stringify(name)} is not the name of a lambda: ${LAMBDA_NAME_RULE}.`);
}

/** All keys under which a lambda's bundle may be. */
export function keysOf(lambda: string): string[] {
  return ENDINGS.map((ending) => `${lambda}${ending}`);
}
