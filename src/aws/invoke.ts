/** The operation Invoke: an event in, with what AWS's clients say about it in headers, and its outcome out. */
import type { AsyncQueue, EnqueueFacts } from '../async/queue.ts';
import { Failure } from '../config/failure.ts';
import type { PlainAnswer } from '../http/plain-answer.ts';
import { traceOf } from '../http/trace.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { CodeSource } from '../registry/source.ts';
import type { AdmissionOptions, Admitted } from '../worker/admission.ts';
import type { Invocation } from '../worker/invocation.ts';
import type { Outcome } from '../worker/outcome.ts';
import { AwsError, requestIdHeaders } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { readClientContext } from './client-context.ts';
import { type FunctionName, functionMissing, LATEST, parseFunctionName } from './function-name.ts';
import type { LogTails } from './log-tail.ts';
import { outcomeAnswer } from './outcome-answer.ts';

export interface InvokeSources extends Pick<AdmissionOptions, 'worker'> {
  source: CodeSource;
  tails: LogTails;
  /** Of asynchronous calls; undefined where there is none. */
  queue: AsyncQueue | undefined;
}

const EMPTY_EVENT = Buffer.from('{}');

const TYPES = ['RequestResponse', 'Event', 'DryRun'] as const;

/** `sent` is the name as the path has it. Throws AwsError and Failure for what did not run. */
export async function invoke(request: AwsRequest, sent: string, options: InvokeSources): Promise<PlainAnswer> {
  const { admitted, body } = request;
  const { incoming, requestId } = admitted;
  const name = parseFunctionName(sent, request.query.get('Qualifier') ?? undefined);
  const type = choiceOf('X-Amz-Invocation-Type', headerOf(admitted, 'x-amz-invocation-type'), TYPES);
  const logType = choiceOf('X-Amz-Log-Type', headerOf(admitted, 'x-amz-log-type'), ['None', 'Tail'] as const);
  const clientContext = readClientContext(headerOf(admitted, 'x-amz-client-context'));
  const event = body.length === 0 ? EMPTY_EVENT : body;
  if ((name.qualifier ?? LATEST) !== LATEST) throw functionMissing(name);
  const trace = traceOf(incoming);
  if (type === 'DryRun') return answerDryRun({ name, event, requestId }, options);
  if (type === 'Event') {
    // The client sends the same with each try, of which the first may have come through.
    const idempotencyKey = headerOf(admitted, 'amz-sdk-invocation-id');
    return enqueue({ name, event, facts: { trace, clientContext, idempotencyKey } }, options);
  }
  const tail = logType === 'Tail' ? beginTail(requestId, options.tails) : undefined;
  const id = tail?.requestId ?? requestId;
  const { caller } = admitted;
  const invocation: Invocation = { requestId: id, trigger: 'http', trace, event, caller, clientContext };
  let outcome: Outcome;
  try {
    outcome = await options.worker.call(name.lambda, invocation);
  } finally {
    if (tail !== undefined) options.tails.end(tail);
  }
  if (outcome.kind === 'refused' && outcome.failure.code === 'lambda-missing') throw functionMissing(name);
  const log = tail?.text(LATEST, 'run' in outcome ? outcome.run : undefined);
  return outcomeAnswer(outcome, { requestId: id, version: LATEST, log });
}

/** A caller who uses one id twice at the same time gets another for the second. */
function beginTail(requestId: string, tails: LogTails): NonNullable<ReturnType<LogTails['begin']>> {
  return tails.begin(requestId) ?? beginTail(uuidV7(), tails);
}

interface Unrun {
  name: FunctionName;
  event: Buffer;
}

/** It runs when its turn comes, and nobody is told how it went. */
async function enqueue(
  { name, event, facts }: Unrun & { facts: EnqueueFacts },
  { queue }: InvokeSources,
): Promise<PlainAnswer> {
  if (queue === undefined) {
    const message = 'Invocations of the type Event are not taken: there is no queue. Use RequestResponse.';
    throw new AwsError('InvalidParameterValueException', message);
  }
  try {
    return { status: 202, headers: requestIdHeaders(await queue.enqueue(name.lambda, event, facts)), body: '' };
  } catch (error) {
    if (error instanceof Failure && error.code === 'lambda-missing') throw functionMissing(name);
    throw error;
  }
}

async function answerDryRun(
  { name, event, requestId }: Unrun & { requestId: string },
  { source }: InvokeSources,
): Promise<PlainAnswer> {
  try {
    JSON.parse(event.toString());
  } catch (error) {
    const message = `Could not parse request body into json: ${(error as Error).message}`;
    throw new AwsError('InvalidRequestContentException', message);
  }
  const version = await source.current(name.lambda);
  if (version === undefined) throw functionMissing(name);
  source.release(version);
  return { status: 204, headers: requestIdHeaders(requestId), body: null };
}

function headerOf({ incoming }: Admitted, name: string): string | undefined {
  const value = incoming.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The first is meant where nothing is said. */
function choiceOf<T extends string>(header: string, said: string | undefined, choices: readonly T[]): T {
  const chosen = choices.find((choice) => choice === (said ?? choices[0]));
  if (chosen !== undefined) return chosen;
  const message = `${header}: ${JSON.stringify(said?.slice(0, 100))} is not one of ${choices.join(', ')}.`;
  throw new AwsError('InvalidParameterValueException', message);
}
