import { Failure } from '../config/failure.ts';
import { LAMBDA_NAME_RULE, type LambdaName, parseCalledName } from '../registry/source.ts';

export interface LambdaPath {
  name: LambdaName;
  /** What follows the name, as it was sent: empty, or it begins with a slash. */
  rest: string;
}

/** The lambda that a path names after `prefix`, such as `/runLambda/`. Throws Failure `name-invalid`. */
export function lambdaPathOf(path: string, prefix: string): LambdaPath {
  const slash = path.indexOf('/', prefix.length);
  const end = slash === -1 ? path.length : slash;
  const sent = path.slice(prefix.length, end);
  const name = parseCalledName(decoded(sent));
  if (name !== undefined) return { name, rest: path.slice(end) };
  const problem = sent === '' ? 'The name of a lambda is missing' : `${JSON.stringify(sent)} is no name of a lambda`;
  throw new Failure('name-invalid', `${problem}: POST ${prefix}<name>, where a name is ${LAMBDA_NAME_RULE}.`);
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
