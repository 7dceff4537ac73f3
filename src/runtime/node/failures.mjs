/** Typed errors as callers see them: {"errorType", "errorMessage", "stackTrace", "requestId"}. */
import { types } from 'node:util';

// Bound now: a handler may replace it.
const { stringify } = JSON;
const { isNativeError } = types;

const OWN_FRAME = /\(?file:\/\/\/runtime\/isla_node\//;
const NODE_FRAME = /\(?node:internal\//;
const FRAME = /^\s+at /;
/** A message can hold a whole data frame; who wants it in full prints it. */
const MESSAGE_CHARACTERS_MAX = 32_768;
const STACK_ENTRIES_MAX = 100;
const STACK_ENTRY_CHARACTERS_MAX = 2_048;

/** A failure that has a name of its own rather than that of a JavaScript error. */
export class HandlerFailure extends Error {
  constructor(kind, message, stack = []) {
    super(message);
    this.kind = kind;
    this.frames = stack;
  }
}

/** Of a promise that was rejected with nobody waiting for it; what is no error has been made one by Node. */
export function rejection(error) {
  return new HandlerFailure('Runtime.UnhandledPromiseRejection', `${nameOf(error)}: ${textOf(error)}`, framesOf(error));
}

export function bodyOf(error, requestId) {
  const { kind, message, stack } = described(error);
  return stringify({ errorType: kind, errorMessage: message, stackTrace: stack, requestId });
}

export function logText(error) {
  const { kind, message, stack } = described(error);
  return `[ERROR] ${kind}: ${message}\n${stack.map((frame) => `${frame}\n`).join('')}`;
}

/** An error's message, cut to a bearable length. A stranger's getter may do anything at all. */
export function textOf(error) {
  try {
    const text = isError(error) ? error.message : error;
    return cut(typeof text === 'string' ? text : String(text), MESSAGE_CHARACTERS_MAX);
  } catch (secondary) {
    return `<the message could not be made: ${nameOf(secondary)}>`;
  }
}

/** Where it was thrown, line by line, without the frames of this runtime and of what lies below it. */
export function framesOf(error) {
  const lines = stackOf(error).split('\n');
  const frames = lines.filter((line) => FRAME.test(line));
  const own = frames.findIndex((frame) => OWN_FRAME.test(frame));
  const kept = own === -1 ? frames : frames.slice(0, own);
  while (kept.length > 0 && NODE_FRAME.test(kept.at(-1))) kept.pop();
  return kept;
}

/** What stands before the error's own line: where a text that is no JavaScript went wrong. */
export function placeOf(error) {
  const lines = stackOf(error).split('\n');
  const end = lines.findIndex((line) => line.startsWith(nameOf(error)));
  return lines.slice(0, Math.max(end, 0)).filter((line) => line !== '');
}

function described(error) {
  const isOwn = error instanceof HandlerFailure;
  const stack = isOwn ? error.frames : framesOf(error);
  return {
    kind: isOwn ? error.kind : nameOf(error),
    message: textOf(error),
    stack: stack.slice(0, STACK_ENTRIES_MAX).map((entry) => cut(entry, STACK_ENTRY_CHARACTERS_MAX)),
  };
}

/** A class's name, or the type of what is no error: anything can be thrown. */
function nameOf(error) {
  try {
    if (!isError(error)) return error === null ? 'null' : typeof error;
    return cut(typeof error.name === 'string' && error.name !== '' ? error.name : 'Error', STACK_ENTRY_CHARACTERS_MAX);
  } catch {
    return 'Error';
  }
}

function isError(error) {
  return isNativeError(error) || error instanceof Error;
}

function stackOf(error) {
  try {
    return isError(error) && typeof error.stack === 'string' ? error.stack : '';
  } catch {
    return '';
  }
}

function cut(text, charactersMax) {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax)}… (${text.length} characters)`;
}
