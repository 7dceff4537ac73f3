/** What was meant by the name of a lambda that there is not. */
import { Failure } from '../../config/failure.ts';
import { nearest } from '../../lib/edit-distance.ts';
import type { CommandCall } from '../command.ts';

/** Of the cluster that the command is about. Undefined if it has such a lambda, or its registry can not be asked. */
export async function unknownLambda(name: string, { flags, caller }: CommandCall): Promise<Failure | undefined> {
  const names = await namesOf(flags.cluster as string | undefined, caller);
  const [lambda = ''] = name.split('~');
  if (names === undefined || names.includes(lambda)) return undefined;
  const guess = nearest(lambda, names);
  const hint = guess === undefined ? '; `admin lambdas list` lists them' : `; did you mean ${guess}?`;
  return new Failure('lambda-missing', `there is no lambda ${JSON.stringify(lambda)}${hint}`);
}

async function namesOf(cluster: string | undefined, caller: CommandCall['caller']) {
  // What it takes to ask a registry is loaded by those only who have mistyped a name.
  const { lambdaNames } = await import('./lambdas.ts');
  try {
    return await lambdaNames(cluster, caller);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
