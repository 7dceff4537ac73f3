/** AWS's Lambda API over HTTP, as far as there is something here that it can speak of. */
import type { App } from '../http/app.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { Log } from '../lib/log.ts';
import { type AdmissionOptions, type Admitted, admit } from '../worker/admission.ts';
import type { Access } from './access.ts';
import { AwsError, awsErrorAnswer, awsErrorOf } from './aws-error.ts';
import { type AwsRequest, readAwsRequest } from './aws-request.ts';
import { type InvokeSources, invoke } from './invoke.ts';

export interface AwsOptions extends AdmissionOptions, InvokeSources {
  access: Access;
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
  const act = async (admitted: Admitted): Promise<PlainAnswer> => {
    const request = await readAwsRequest(admitted, FUNCTIONS_PATH, options);
    // Whoever asked has gone.
    if (request === undefined) return { status: 499, headers: [], body: null };
    return answerFunctions(request, options);
  };
  app.allPlain(FUNCTIONS_PATH, (incoming, outgoing) => admit(incoming, outgoing, { act, refuse }, options));
}

async function answerFunctions(request: AwsRequest, options: AwsOptions): Promise<PlainAnswer> {
  const { method, segments } = request;
  const [name = '', verb, ...more] = segments;
  if (method === 'POST' && verb === 'invocations' && more.length === 0) return invoke(request, name, options);
  const asked = `${method} ${FUNCTIONS_PATH}${segments.join('/')}`;
  throw new AwsError('UnknownOperationException', `There is no operation ${asked} here.`);
}
