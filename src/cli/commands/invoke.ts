import type { Command } from 'commander';
import { type Invoked, invoke } from '../../cluster/invoke.ts';
import { timingsOf } from '../../cluster/open-loop.ts';
import { plainLines, plainText } from '../../lib/plain-text.ts';
import type { Output } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { readEvent } from '../event-argument.ts';
import { EXIT, exitCodeOfAnswer } from '../exit-codes.ts';
import { tracebackLines, typedErrorOf } from '../typed-error.ts';
import { wholeNumber } from '../whole-number.ts';
import { unknownLambda } from './near-lambda.ts';

const EXAMPLES = `
The event is the argument, else the file, else standard input; without any of them, on a
terminal, it is {}. The result goes to stdout as it came; if the lambda failed, its traceback
goes to stderr. One worker gets the event, once: the first that listens, or the one of --worker.

Exit codes: 0 it returned; 4 it raised, could not be loaded, ran out of memory or exited;
3 there is no such lambda; 2 the event is not JSON or too large; 5 it took too long, or no
instance was free in time; 6 no worker can be reached, or it is full or stopping; 1 its
sandbox could not be made or was lost.

Examples:
  admin invoke hello '{"name": "Alice"}' --cluster=my-cluster
  admin invoke hello --file=event.json --cluster=my-cluster
  echo '{"name": "Alice"}' | admin invoke hello --cluster=my-cluster
  admin invoke hello '{"name": "Alice"}' --cluster=my-cluster --json`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .argument('<lambda>', 'name of the lambda')
    .argument('[event]', 'the event, as JSON')
    .option('--file <path>', 'read the event from this file; - is standard input')
    .option(
      '--worker <num>',
      'ask this worker',
      wholeNumber('the number of a worker', (number) => number >= 0),
    )
    .option(
      '--timeout <seconds>',
      'wait no longer for the answer (the call itself has the timeout of its lambda)',
      wholeNumber('1 second or more', (number) => number >= 1),
    )
    .option('--json', 'print the result or the error, and facts of the call, as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags } = call;
  const [lambda = ''] = call.args;
  const layout = clusterOf(call);
  const event = await readEvent(call);
  const seconds = flags.timeout as number | undefined;
  const waitMs = seconds === undefined ? undefined : seconds * 1_000;
  const invoked = await invoke({ layout, lambda, event, worker: flags.worker as number | undefined, waitMs });
  const unknown = isNotFound(invoked) && !flags.json ? await unknownLambda(lambda, call) : undefined;
  if (unknown !== undefined) throw unknown;
  return flags.json ? printFacts(call, lambda, invoked) : print(call, lambda, invoked);
}

function isNotFound({ heard }: Invoked): boolean {
  return heard.kind === 'answer' && typedErrorOf(heard.body).errorType === 'Lambda.NotFound';
}

function print({ caller }: CommandCall, lambda: string, { worker, heard }: Invoked): number {
  if (heard.kind === 'silent') {
    caller.stderr.write(`admin: ${lambda} on ${worker}: ${heard.reason}\n`);
    return EXIT.timeout;
  }
  const { httpStatus, headers, body } = heard;
  if (httpStatus === 200) {
    writeResult(caller.stdout, body);
    if (body.at(-1) !== NEWLINE) caller.stdout.write('\n');
    return EXIT.ok;
  }
  const error = typedErrorOf(body);
  const { errorType = `HTTP status ${httpStatus}`, errorMessage = '' } = error;
  const exitCode = exitCodeOfAnswer(httpStatus, errorType);
  const said =
    exitCode === EXIT.functionError
      ? tracebackLines(error).join('\n')
      : `admin: ${plainText(errorMessage)} (${plainText(errorType)})`;
  caller.stderr.write(`${said}\nadmin: request ${headers['x-request-id'] ?? 'unknown'} on ${worker}\n`);
  return exitCode;
}

const NEWLINE = 0x0a;

/** As it came, but to a terminal nothing that it would obey. */
function writeResult(stdout: Output, text: Buffer | string): void {
  stdout.write(stdout.isTTY === true ? plainLines(text.toString('utf8')).join('\n') : text);
}

/** The result is put in as it came: a round trip through JSON.parse would spoil large integers. */
function printFacts({ caller }: CommandCall, lambda: string, { worker, heard }: Invoked): number {
  if (heard.kind === 'silent') {
    const error = { errorType: 'Client.Timeout', errorMessage: heard.reason };
    caller.stdout.write(`${JSON.stringify({ lambda, worker, error })}\n`);
    return EXIT.timeout;
  }
  const { httpStatus, headers, body } = heard;
  const facts = {
    lambda,
    worker,
    request_id: headers['x-request-id'] ?? null,
    http_status: httpStatus,
    timings_ms: timingsOf(headers['server-timing']),
  };
  const error = httpStatus === 200 ? undefined : typedErrorOf(body);
  const [key, value] =
    error === undefined ? ['result', body.toString('utf8').trim()] : ['error', JSON.stringify(error)];
  writeResult(caller.stdout, `${JSON.stringify(facts).slice(0, -1)},"${key}":${value}}\n`);
  return exitCodeOfAnswer(httpStatus, error?.errorType ?? '');
}
