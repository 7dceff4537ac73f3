/** What a caller says of itself: `X-Amz-Client-Context`, which handlers find as `context.client_context`. */
import { AwsError } from './aws-error.ts';

/** Of the header, in characters: what AWS takes. */
const CHARACTERS_MAX = 3_583;

/** The JSON text of an object; undefined if nothing was said. Throws AwsError `InvalidRequestContentException`. */
export function readClientContext(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined;
  const text = Buffer.from(header, 'base64').toString('utf8');
  if (header.length <= CHARACTERS_MAX && isObject(text)) return text;
  const rule = `the base64 of a JSON object, ${CHARACTERS_MAX} characters at most`;
  throw new AwsError('InvalidRequestContentException', `Client context must be ${rule}.`);
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
