/** Which file of a lambda's directory holds its handler. */
import { Failure } from '../config/failure.ts';
import type { HandlerName } from '../config/handler-name.ts';
import { LAMBDA_FILE } from '../config/lambda-spec.ts';

/** Those that are looked for, in this order, where `lambda.json` names none. */
const HANDLER_FILES: readonly string[] = ['lambda_func.py', 'f.py', 'lambda_function.py', 'app.py', 'main.py'];

/** `None of …`, for messages. */
export const NO_HANDLER_FILE = `none of ${HANDLER_FILES.join(', ')}`;

/** Whether a directory can be a lambda, before its `lambda.json` has been read. `isThere` is asked for files by their paths. */
export function mayBeLambda(isThere: (path: string) => boolean): boolean {
  return HANDLER_FILES.some(isThere) || isThere(LAMBDA_FILE);
}

/** The path of the file. Throws Failure `lambda-invalid` if there is none. */
export function handlerFileOf(declared: HandlerName | undefined, isThere: (path: string) => boolean): string {
  if (declared === undefined) {
    const found = HANDLER_FILES.find(isThere);
    if (found !== undefined) return found;
    throw new Failure('lambda-invalid', `there is ${NO_HANDLER_FILE}, and ${LAMBDA_FILE} names no "handler"`);
  }
  const candidates = [`${declared.module}.py`, `${declared.module}/__init__.py`];
  const found = candidates.find(isThere);
  if (found !== undefined) return found;
  const message = `${LAMBDA_FILE}: handler: "${declared.text}" is to be in ${candidates[0]}, and there is no such file`;
  throw new Failure('lambda-invalid', message);
}
