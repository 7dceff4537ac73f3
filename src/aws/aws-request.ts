/** A request to AWS's Lambda API that was read as a whole, by somebody who may ask. */
import type { IncomingMessage } from 'node:http';
import { rawPath } from '../http/app.ts';
import { type AdmissionOptions, type Admitted, readEvent } from '../worker/admission.ts';
import { type Access, authenticate } from './access.ts';
import { AwsError } from './aws-error.ts';

export interface AwsRequest {
  admitted: Admitted;
  method: string;
  /** What the path has below that of its API, decoded. */
  segments: readonly string[];
  query: URLSearchParams;
  body: Buffer;
}

/** `prefix` is the path of the API, which ends with a slash. Undefined if the caller went away. Throws AwsError, Failure. */
export async function readAwsRequest(
  admitted: Admitted,
  prefix: string,
  { bodies, access }: Pick<AdmissionOptions, 'bodies'> & { access: Access },
): Promise<AwsRequest | undefined> {
  const { incoming } = admitted;
  const segments = segmentsOf(incoming, prefix);
  const body = await readEvent(admitted, bodies);
  if (body === undefined) return undefined;
  authenticate(access, incoming, body);
  const { url = '/', method = '' } = incoming;
  const at = url.indexOf('?');
  return { admitted, method, segments, query: new URLSearchParams(at === -1 ? '' : url.slice(at)), body };
}

function segmentsOf({ url = '' }: IncomingMessage, prefix: string): string[] {
  return rawPath(url).slice(prefix.length).split('/').map(decoded);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AwsError('InvalidParameterValueException', `${JSON.stringify(text)} is not well percent-encoded.`);
  }
}
