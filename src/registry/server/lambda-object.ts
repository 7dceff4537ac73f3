/**
 * Which objects are lambdas, all in one bucket: bundles at its top, and documents of functions that were made through
 * an API, which say themselves where their code is.
 */
import { documentKey, functionOfKey } from '../remote-store.ts';
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

/** The function whose document an object is: `~functions/NAME/function.json`; undefined if it is none. */
export function functionOf({ bucket, key }: Place): LambdaName | undefined {
  return bucket === LAMBDAS_BUCKET ? functionOfKey(key) : undefined;
}

/** Where the document of a function is, if there is one; the name is a lambda's. */
export function documentPlace(lambda: string): Place {
  return { bucket: LAMBDAS_BUCKET, key: documentKey(lambda as LambdaName) };
}

/** All keys under which a lambda's bundle may be. */
export function keysOf(lambda: string): string[] {
  return ENDINGS.map((ending) => `${lambda}${ending}`);
}
