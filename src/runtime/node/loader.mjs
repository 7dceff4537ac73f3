/** Loads a lambda's code: its file as Node itself would, and one function of it. */
import { pathToFileURL } from 'node:url';
import { framesOf, HandlerFailure, placeOf, textOf } from './failures.mjs';
import { placeOfSyntaxError } from './syntax.mjs';

const TYPED = /\.[cm]?ts$/;
/** What is wrong when a file, a package or a native addon of it can not be had. */
const MISSING = new Set([
  'MODULE_NOT_FOUND',
  'ERR_MODULE_NOT_FOUND',
  'ERR_PACKAGE_PATH_NOT_EXPORTED',
  'ERR_PACKAGE_IMPORT_NOT_DEFINED',
  'ERR_UNSUPPORTED_DIR_IMPORT',
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_REQUIRE_ESM',
  'ERR_DLOPEN_FAILED',
]);

/** `entry`: {file, function}. Throws HandlerFailure with the name of what is wrong, or what the code has thrown. */
export async function load(codeDir, { file, function: name }) {
  const path = `${codeDir}/${file}`;
  process.env._HANDLER = `${file.replace(/\.[^.]*$/, '')}.${name}`;
  if (TYPED.test(file) && !process.features.typescript) {
    const message = `Unable to import module '${file}': Node ${process.versions.node} runs no TypeScript; 22.18 and newer do`;
    throw new HandlerFailure('Runtime.ImportModuleError', message);
  }
  const loaded = await imported(file, path);
  // What CommonJS exports is found under `default` if Node can not tell its names ahead.
  const handler = loaded[name] ?? loaded.default?.[name];
  if (typeof handler === 'function') return handler;
  throw new HandlerFailure('Runtime.HandlerNotFound', `${file} exports no function '${name}'`);
}

async function imported(file, path) {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    // One that code has thrown, as JSON.parse does, is thrown from there.
    if (error instanceof SyntaxError && framesOf(error).length === 0) {
      const place = placeOf(error);
      if (place.length === 0) place.push(...placeOfSyntaxError(path));
      throw new HandlerFailure('Runtime.UserCodeSyntaxError', `Syntax error in '${file}': ${textOf(error)}`, place);
    }
    if (MISSING.has(error?.code)) {
      const message = `Unable to import module '${file}': ${textOf(error)}`;
      throw new HandlerFailure('Runtime.ImportModuleError', message, framesOf(error));
    }
    throw error;
  }
}
