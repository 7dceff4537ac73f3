/** What the operations that invoke a function have in common: what is asked for, and how it is run. */
import { type Trace, traceOf } from '../http/trace.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { FunctionStore } from '../registry/functions.ts';
import { type LambdaName, versionName } from '../registry/source.ts';
import type { AdmissionOptions, Admitted } from '../worker/admission.ts';
import type { AwaitingParts, Invocation } from '../worker/invocation.ts';
import type { Outcome } from '../worker/outcome.ts';
import { AwsError } from './aws-error.ts';
import type { AwsRequest } from './aws-request.ts';
import { readClientContext } from './client-context.ts';
import { type FunctionName, functionMissing, LATEST, parseFunctionName } from './function-name.ts';
import type { LogTails } from './log-tail.ts';
import { versionMeant } from './qualifier.ts';

export interface RunSources extends Pick<AdmissionOptions, 'worker'> {
  tails: LogTails;
  functions: FunctionStore;
}

export interface Asked {
  name: FunctionName;
  /** What is to be run: the lambda, or a version of it. */
  called: LambdaName;
  /** The same in AWS's words: `$LATEST`, or the number of a version. */
  version: string;
  event: Buffer;
  trace: Trace | undefined;
  clientContext: string | undefined;
  wantsLog: boolean;
}

const EMPTY_EVENT = Buffer.from('{}');
const LOG_TYPES = ['None', 'Tail'] as const;

/** Throws AwsError for what can not be asked. */
export async function readAsked(
  { admitted, body, query }: AwsRequest,
  sent: string,
  { functions }: Pick<RunSources, 'functions'>,
): Promise<Asked> {
  const name = parseFunctionName(sent, query.get('Qualifier') ?? undefined);
  const wantsLog = choiceOf(admitted, 'X-Amz-Log-Type', LOG_TYPES) === 'Tail';
  const clientContext = readClientContext(headerOf(admitted, 'x-amz-client-context'));
  const number = await versionMeant(name, functions, Math.random());
  const called = number === undefined ? name.lambda : versionName(name.lambda, number);
  const version = number ?? LATEST;
  const event = body.length === 0 ? EMPTY_EVENT : body;
  return { name, called, version, event, trace: traceOf(admitted.incoming), clientContext, wantsLog };
}

export interface Ran {
  outcome: Outcome;
  /** Another than was asked for if a call of that id, with its log, runs already. */
  requestId: string;
  /** In base64; undefined if nobody asked. */
  log: string | undefined;
}

/** Throws AwsError `ResourceNotFoundException`. */
export async function run(
  { name, called, version, event, trace, clientContext, wantsLog }: Asked,
  { requestId: wanted, caller, parts }: Pick<Admitted, 'requestId' | 'caller'> & { parts?: AwaitingParts },
  { worker, tails }: RunSources,
): Promise<Ran> {
  const tail = wantsLog ? beginTail(wanted, tails) : undefined;
  const requestId = tail?.requestId ?? wanted;
  const { qualifier } = name;
  const invocation: Invocation = { requestId, trigger: 'http', trace, event, caller, clientContext, qualifier, parts };
  let outcome: Outcome;
  try {
    outcome = await worker.call(called, invocation);
  } finally {
    if (tail !== undefined) tails.end(tail);
  }
  if (outcome.kind === 'refused' && outcome.failure.code === 'lambda-missing') throw functionMissing(name);
  return { outcome, requestId, log: tail?.text(version, 'run' in outcome ? outcome.run : undefined) };
}

/** A caller who uses one id twice at the same time gets another for the second. */
function beginTail(requestId: string, tails: LogTails): NonNullable<ReturnType<LogTails['begin']>> {
  return tails.begin(requestId) ?? beginTail(uuidV7(), tails);
}

export function headerOf({ incoming }: Admitted, name: string): string | undefined {
  const value = incoming.headers[name.toLowerCase()];
  return typeof value === 'string' ? value : undefined;
}

/** The first is meant where nothing is said. Throws AwsError `InvalidParameterValueException`. */
export function choiceOf<T extends string>(admitted: Admitted, header: string, choices: readonly T[]): T {
  const said = headerOf(admitted, header);
  const chosen = choices.find((choice) => choice === (said ?? choices[0]));
  if (chosen !== undefined) return chosen;
  const message = `${header}: ${JSON.stringify(said?.slice(0, 100))} is not one of ${choices.join(', ')}.`;
  throw new AwsError('InvalidParameterValueException', message);
}
