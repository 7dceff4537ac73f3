/** A typed error as workers answer it, for people. */
import { plainText } from '../lib/plain-text.ts';

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
    if (typeof parsed === 'object' && parsed !== null) return parsed as TypedError;
  } catch {
    // Not JSON: text.
  }
  return { errorMessage: body.toString('utf8').trim().slice(0, SAID_CHARACTERS_MAX) };
}

/** As Python prints it, and without anything that a terminal would obey. */
export function tracebackLines({ errorType = 'Error', errorMessage, stackTrace = [] }: TypedError): string[] {
  const head = stackTrace.length === 0 ? '' : 'Traceback (most recent call last):\n';
  const entries = stackTrace.map((entry) => (entry.endsWith('\n') ? entry : `${entry}\n`));
  const text = `${head}${entries.join('')}${errorType}${errorMessage ? `: ${errorMessage}` : ''}`;
  return text.split('\n').map(plainText);
}
