/** Which file of a lambda's directory holds its handler, and what runs it. */
import { Failure } from '../config/failure.ts';
import type { HandlerName, NodeHandler, Runtime } from '../config/handler-name.ts';
import { LAMBDA_FILE, type LambdaSpec } from '../config/lambda-spec.ts';

export interface HandlerFile {
  runtime: Runtime;
  file: string;
}

/** What a `lambda.json` says of it. */
type Asked = Pick<LambdaSpec, 'handler' | 'runtime'>;

const NODE_ENDINGS = ['mjs', 'js', 'cjs', 'mts', 'ts', 'cts'];
const NODE_FUNCTION = 'handler';

/**
 * Those that are looked for where `lambda.json` names none. Files of one rank have the same right to be the one; what
 * is of an earlier rank comes first.
 */
const RANKS: readonly (readonly HandlerFile[])[] = [
  [python('lambda_func.py'), ...nodeFiles('lambda_func')],
  [python('f.py')],
  [python('lambda_function.py'), ...nodeFiles('index')],
  [python('app.py')],
  [python('main.py')],
];

const HANDLER_FILES: readonly string[] = RANKS.flat().map(({ file }) => file);

/** `None of …`, for messages: of files that differ in their endings only, the first. */
export const NO_HANDLER_FILE = `none of ${HANDLER_FILES.filter((file) => /\.(py|mjs)$/.test(file)).join(', ')}`;

/**
 * Whether a directory can be a lambda, before its `lambda.json` has been read, or that of a handler which was named
 * elsewhere. `isThere` is asked for files by their paths.
 */
export function mayBeLambda(isThere: (path: string) => boolean, handler?: HandlerName): boolean {
  const named = handler === undefined ? [] : candidatesFor(handler).map(({ file }) => file);
  return [...named, ...HANDLER_FILES, LAMBDA_FILE].some(isThere);
}

/** Throws Failure `lambda-invalid` if there is none, or one for each runtime. */
export function handlerFileOf({ handler, runtime }: Asked, isThere: (path: string) => boolean): HandlerFile {
  for (const rank of handler === undefined ? RANKS : [candidatesFor(handler)]) {
    const there = rank.filter((one) => (runtime ?? one.runtime) === one.runtime && isThere(one.file));
    const [first] = there;
    if (first === undefined) continue;
    // Of one runtime's, such as a source and what was made of it, the first is meant.
    const other = there.find((one) => one.runtime !== first.runtime);
    if (other === undefined) return first;
    throw refusal(
      `there are ${first.file} and ${other.file}: remove one, or say which "runtime" it is in ${LAMBDA_FILE}`,
    );
  }
  const what = runtime === undefined ? '' : ` for the runtime "${runtime}"`;
  if (handler === undefined) throw refusal(`there is ${NO_HANDLER_FILE}${what}, and ${LAMBDA_FILE} names no "handler"`);
  const [first, second] = candidatesFor(handler).filter((one) => (runtime ?? one.runtime) === one.runtime);
  const files = [first, runtime === 'python' ? undefined : second].flatMap((one) => one?.file ?? []).join(' or ');
  throw refusal(`${LAMBDA_FILE}: handler: "${handler.text}" is to be in ${files}, and there is no such file`);
}

/** What Node is to be told of it; undefined if Python runs it. */
export function nodeHandlerOf({ handler }: Asked, { runtime, file }: HandlerFile): NodeHandler | undefined {
  return runtime === 'node' ? { file, function: handler?.attribute ?? NODE_FUNCTION } : undefined;
}

function candidatesFor({ module }: HandlerName): HandlerFile[] {
  return [python(`${module}.py`), ...nodeFiles(module), python(`${module}/__init__.py`)];
}

function python(file: string): HandlerFile {
  return { runtime: 'python', file };
}

function nodeFiles(name: string): HandlerFile[] {
  return NODE_ENDINGS.map((ending) => ({ runtime: 'node', file: `${name}.${ending}` }));
}

function refusal(message: string): Failure {
  return new Failure('lambda-invalid', message);
}
