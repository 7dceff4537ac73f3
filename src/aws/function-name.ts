/** What AWS's clients name a function by: its name, a part of its ARN or all of it, each with or without a qualifier. */
import { LATEST } from '../registry/functions.ts';
import { LAMBDA_NAME_RULE, type LambdaName, parseLambdaName } from '../registry/source.ts';
import { AwsError } from './aws-error.ts';

export { LATEST };

/** Which lambda, and which version of it. */
export interface FunctionName {
  lambda: LambdaName;
  /** `$LATEST`, the number of a version, or the name of an alias; undefined if nobody said, which is `$LATEST`. */
  qualifier: string | undefined;
}

/** Regions and accounts can be any: there is one of each here. The groups are the name and the qualifier. */
const FUNCTION_NAME =
  /^(?:arn:aws[a-zA-Z-]*:lambda:)?(?:[a-z]{2}(?:-[a-z]+)+-\d+:)?(?:\d{12}:)?(?:function:)?([A-Za-z0-9._-]+)(?::(\$LATEST|[A-Za-z0-9_-]+))?$/;
const QUALIFIER = /^(?:\$LATEST|[A-Za-z0-9_-]{1,128})$/;

const REGION = 'us-east-1';
const ACCOUNT = '000000000000';

/**
 * `sent` is the decoded segment of the path, `asked` the `Qualifier` of the query.
 * Throws AwsError `InvalidParameterValueException`.
 */
export function parseFunctionName(sent: string, asked: string | undefined): FunctionName {
  const [, name = '', inName] = FUNCTION_NAME.exec(sent) ?? [];
  const lambda = parseLambdaName(name);
  if (lambda === undefined) {
    const rule = `a function's name is ${LAMBDA_NAME_RULE}, or an ARN with it`;
    throw new AwsError(
      'InvalidParameterValueException',
      `${JSON.stringify(sent.slice(0, 200))} names nothing: ${rule}.`,
    );
  }
  if (asked !== undefined && !QUALIFIER.test(asked)) {
    const message = `${JSON.stringify(asked.slice(0, 200))} is no qualifier: it is ${LATEST}, a version or an alias.`;
    throw new AwsError('InvalidParameterValueException', message);
  }
  if (inName !== undefined && asked !== undefined && inName !== asked) {
    const message = 'The derived qualifier from the function name does not match the specified qualifier.';
    throw new AwsError('InvalidParameterValueException', message);
  }
  return { lambda, qualifier: asked ?? inName };
}

export function arnOf({ lambda, qualifier }: FunctionName): string {
  const arn = `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${lambda}`;
  return qualifier === undefined ? arn : `${arn}:${qualifier}`;
}

export function functionMissing(name: FunctionName): AwsError {
  return new AwsError('ResourceNotFoundException', `Function not found: ${arnOf(name)}`);
}
