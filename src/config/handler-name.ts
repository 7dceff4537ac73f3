/** `"handler"` of a `lambda.json`: which function of which module, as AWS writes it, or as those who serve ASGI apps do. */
export interface HandlerName {
  /** As it was written: `lambda_function.lambda_handler`, `src/index.handler`, `main:app`. */
  text: string;
  /** Path of the module below the lambda's directory, without a file's ending: `src/index`. */
  module: string;
  /** `handler` */
  attribute: string;
}

/** What can run a handler. */
export const RUNTIMES = ['python', 'node'] as const;
export type Runtime = (typeof RUNTIMES)[number];

/** A handler that Node runs. */
export interface NodeHandler {
  /** Its path below the lambda's directory: `lambda_func.mjs`. */
  file: string;
  function: string;
}

export const HANDLER_NAME_RULE = 'a module and a name in it, such as "lambda_function.lambda_handler" or "main:app"';

/** As long as AWS allows. In characters. */
const CHARACTERS_MAX = 128;

const HANDLER_NAME = /^([A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*)[.:]([A-Za-z_][A-Za-z0-9_]*)$/;

/** Undefined if it is none. */
export function parseHandlerName(text: string): HandlerName | undefined {
  const [, module, attribute] = (text.length <= CHARACTERS_MAX && HANDLER_NAME.exec(text)) || [];
  if (module === undefined || attribute === undefined) return undefined;
  return { text, module: module.replaceAll('.', '/'), attribute };
}
