/** The operation Invoke: an event in, with what AWS's clients say about it in headers, and its outcome out. */
import type { AsyncQueue, EnqueueFacts } from '../async/queue.ts';
import { Failure } from '../config/failure.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import type { CodeSource } from '../registry/source.ts';
import type { Admitted } from '../worker/admission.ts';
import { AwsError, requestIdHeaders } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { functionMissing } from './function-name.ts';
import { outcomeAnswer } from './outcome-answer.ts';
import { type Asked, choiceOf, headerOf, type RunSources, readAsked, run } from './run.ts';

export interface InvokeSources extends RunSources {
  source: CodeSource;
  /** Of asynchronous calls; undefined where there is none. */
  queue: AsyncQueue | undefined;
}

const TYPES = ['RequestResponse', 'Event', 'DryRun'] as const;

/** `sent` is the name as the path has it. Throws AwsError and Failure for what did not run. */
export async function invoke(request: AwsRequest, sent: string, options: InvokeSources): Promise<PlainAnswer> {
  const { admitted } = request;
  const { requestId } = admitted;
  const type = choiceOf(admitted, 'X-Amz-Invocation-Type', TYPES);
  const asked = await readAsked(request, sent, options);
  if (type === 'DryRun') return answerDryRun({ ...asked, requestId }, options);
  if (type === 'Event') return enqueueAsked(asked, admitted, options);
  const { outcome, requestId: id, log } = await run(asked, { caller: admitted.caller, requestId }, options);
  return outcomeAnswer(outcome, { requestId: id, version: asked.version, log });
}

/** The operation InvokeAsync, which was there before there were types of invocation. Throws AwsError and Failure. */
export async function invokeAsync(request: AwsRequest, sent: string, options: InvokeSources): Promise<PlainAnswer> {
  return enqueueAsked(await readAsked(request, sent, options), request.admitted, options);
}

function enqueueAsked(asked: Asked, admitted: Admitted, options: InvokeSources): Promise<PlainAnswer> {
  const { trace, clientContext, name } = asked;
  // The client sends the same with each try, of which the first may have come through.
  const idempotencyKey = headerOf(admitted, 'amz-sdk-invocation-id');
  return enqueue({ ...asked, facts: { trace, clientContext, qualifier: name.qualifier, idempotencyKey } }, options);
}

type Unrun = Pick<Asked, 'name' | 'called' | 'event'>;

/** It runs when its turn comes, and nobody is told how it went. */
async function enqueue(
  { name, called, event, facts }: Unrun & { facts: EnqueueFacts },
  { queue }: InvokeSources,
): Promise<PlainAnswer> {
  if (queue === undefined) {
    const message = 'Invocations of the type Event are not taken: there is no queue. Use RequestResponse.';
    throw new AwsError('InvalidParameterValueException', message);
  }
  try {
    return { status: 202, headers: requestIdHeaders(await queue.enqueue(called, event, facts)), body: '' };
  } catch (error) {
    if (error instanceof Failure && error.code === 'lambda-missing') throw functionMissing(name);
    throw error;
  }
}

async function answerDryRun(
  { name, called, event, requestId }: Unrun & { requestId: string },
  { source }: InvokeSources,
): Promise<PlainAnswer> {
  try {
    JSON.parse(event.toString());
  } catch (error) {
    const message = `Could not parse request body into json: ${(error as Error).message}`;
    throw new AwsError('InvalidRequestContentException', message);
  }
  const version = await source.current(called);
  if (version === undefined) throw functionMissing(name);
  source.release(version);
  return { status: 204, headers: requestIdHeaders(requestId), body: null };
}
