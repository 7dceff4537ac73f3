/** AWS's Lambda API over HTTP, as far as there is something here that it can speak of. */
import type { IncomingMessage } from 'node:http';
import { type App, rawPath } from '../http/app.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { Log } from '../lib/log.ts';
import { type AdmissionOptions, type Admitted, admit } from '../worker/admission.ts';
import { AwsError, awsErrorAnswer, awsErrorOf } from './aws-error.ts';
import { type InvokeSources, invoke } from './invoke.ts';

export interface AwsOptions extends AdmissionOptions, InvokeSources {
  log: Log;
}

const FUNCTIONS_PATH = '/2015-03-31/functions/';

export function addAwsRoutes(app: App, options: AwsOptions): void {
  const { log } = options;
  const refuse = (error: unknown, requestId: string): PlainAnswer => {
    const known = awsErrorOf(error);
    // An error of whom nobody knows has a message for the log only, and `known` another.
    if (known.name === 'ServiceException') log('error', 'an invocation failed', { requestId, err: error });
    return awsErrorAnswer(known, requestId);
  };
  const act = (admitted: Admitted) => answerFunctions(admitted, options);
  app.allPlain(FUNCTIONS_PATH, (incoming, outgoing) => admit(incoming, outgoing, { act, refuse }, options));
}

async function answerFunctions(admitted: Admitted, options: AwsOptions): Promise<PlainAnswer> {
  const { incoming } = admitted;
  const [name = '', verb, ...more] = segmentsOf(incoming);
  if (incoming.method === 'POST' && verb === 'invocations' && more.length === 0) return invoke(admitted, name, options);
  const asked = `${incoming.method} ${rawPath(incoming.url ?? '')}`;
  throw new AwsError('UnknownOperationException', `There is no operation ${asked} here.`);
}

/** What follows the path of all functions, decoded. */
function segmentsOf({ url = '' }: IncomingMessage): string[] {
  return rawPath(url).slice(FUNCTIONS_PATH.length).split('/').map(decoded);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AwsError('InvalidParameterValueException', `${JSON.stringify(text)} is not well percent-encoded.`);
  }
}
