/** A typed error as workers answer it, for people. */
import { plainLines } from '../lib/plain-text.ts';

/** In whole or in part. */
export interface TypedError {
  errorType?: string;
  errorMessage?: string;
  stackTrace?: string[];
}

const SAID_CHARACTERS_MAX = 500;

/** Whoever answers with something else is no worker of ours; what it said is the message. */
export function typedErrorOf(body: Buffer): TypedError {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'));
    if (typeof parsed === 'object' && parsed !== null) return believable(parsed);
  } catch {
    // Not JSON: text.
  }
  return { errorMessage: body.toString('utf8').trim().slice(0, SAID_CHARACTERS_MAX) };
}

/** A sandbox may have written it itself: what is not of the right kind is left out. */
function believable(parsed: object): TypedError {
  const { errorType, errorMessage, stackTrace } = parsed as Record<keyof TypedError, unknown>;
  const error = { ...parsed } as TypedError;
  if (typeof errorType !== 'string') delete error.errorType;
  if (typeof errorMessage !== 'string') delete error.errorMessage;
  if (!Array.isArray(stackTrace) || !stackTrace.every((entry) => typeof entry === 'string')) delete error.stackTrace;
  return error;
}

/** As Python prints it, and without anything that a terminal would obey. */
export function tracebackLines({ errorType = 'Error', errorMessage, stackTrace = [] }: TypedError): string[] {
  const head = stackTrace.length === 0 ? '' : 'Traceback (most recent call last):\n';
  const entries = stackTrace.map((entry) => (entry.endsWith('\n') ? entry : `${entry}\n`));
  const text = `${head}${entries.join('')}${errorType}${errorMessage ? `: ${errorMessage}` : ''}`;
  return plainLines(text);
}
