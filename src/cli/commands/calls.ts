import type { Command } from 'commander';
import { workerNames } from '../../cluster/fleet.ts';
import type { Layout } from '../../cluster/layout.ts';
import {
  type CallsFile,
  costSince,
  type Found,
  findKeptCalls,
  listKeptCalls,
  versionsOfCalls,
} from '../../compose/calls-admin.ts';
import { Failure } from '../../config/failure.ts';
import { actionArgument } from '../action-argument.ts';
import { callFacts, callLines, callTable, costLines } from '../call-report.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { NamedArgument } from '../named-argument.ts';
import { type KnownVersions, replay } from '../replay.ts';
import { parseSince } from '../since.ts';
import { wholeNumber } from '../whole-number.ts';
import { unknownLambda } from './near-lambda.ts';

const EXAMPLES = `
Workers keep the last calls of each lambda with event, result and output ("calls_kept" in the
template; {"keep_calls": false} in a lambda.json keeps none of that lambda's), and sums of all
calls by the day. A call is there a second after its end. REQUEST is the begin of a request id.

  list [LAMBDA]    the last calls, the newest first
  show REQUEST     everything that is known of one
  replay REQUEST   runs its event again, on the code that is current now or on that of --version,
                   and compares the results; exit codes as those of "admin invoke", and 1 if the
                   result is another
  cost [LAMBDA]    what the calls since a day (30 days ago) would have cost elsewhere

Examples:
  admin calls list hello --failed --since=1h --cluster=my-cluster
  admin calls show 0199 --cluster=my-cluster
  admin calls replay 0199 --cluster=my-cluster
  admin calls replay 0199 --version=same --cluster=my-cluster
  admin calls cost --since=7d --json --cluster=my-cluster`;

const LIST_LIMIT = 50;
const COST_DAYS = 30;

const ACTIONS = new Map<string, (call: CommandCall) => Promise<number>>([
  ['list', list],
  ['show', show],
  ['replay', async (call) => replay(call, await one(call), versionsIn(clusterOf(call)))],
  ['cost', cost],
]);

export function shape(command: Command): void {
  addClusterFlag(command)
    .addArgument(actionArgument('<action>', ACTIONS.keys()))
    .addArgument(
      new NamedArgument(
        '[lambda]',
        'list, cost: of this lambda only; show, replay: the begin of a request id',
        ([word]) => (word === 'show' || word === 'replay' ? 'kept-call' : 'lambda'),
      ),
    )
    .option('--since <when>', 'list, cost: not what is older: 10m, 2d, or a time such as 2026-11-22', (text) =>
      parseSince(text),
    )
    .option('--failed', 'list: only those that gave no result')
    .option(
      '-n, --limit <num>',
      'list: how many',
      wholeNumber('1 or more', (number) => number >= 1),
      LIST_LIMIT,
    )
    .option(
      '--worker <num>',
      'replay: on this worker',
      wholeNumber('the number of a worker', (number) => number >= 0),
    )
    .option(
      '--version <version>',
      'replay: on this version: same (the one that it ran on), the number of a published one, or the begin of a digest',
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

/** Request ids of the last calls. Throws Failure. */
export async function keptCallIds(call: CommandCall): Promise<{ value: string; about: string }[]> {
  const calls = await listKeptCalls(filesOf(clusterOf(call)), { failedOnly: false, limit: LIST_LIMIT });
  return calls.map(({ requestId, lambda, outcome }) => ({ value: requestId, about: `${lambda}, ${outcome}` }));
}

export async function run(call: CommandCall): Promise<number> {
  const [word = ''] = call.args;
  const action = ACTIONS.get(word);
  if (action === undefined) {
    throw new Failure('usage', `calls has the actions ${[...ACTIONS.keys()].join(', ')}; see \`admin help calls\``);
  }
  if (call.args.length > 2) throw new Failure('usage', `calls ${word} takes one argument at most`);
  return action(call);
}

async function list(call: CommandCall): Promise<number> {
  const { args, flags, caller, paint } = call;
  const [, lambda] = args;
  const calls = await listKeptCalls(filesOf(clusterOf(call)), {
    lambda,
    sinceMs: flags.since as number | undefined,
    failedOnly: flags.failed === true,
    limit: flags.limit as number,
  });
  // Of a lambda that has gone there may be calls; one that is not there either is a typing error.
  const unknown = calls.length === 0 && lambda !== undefined ? await unknownLambda(lambda, call) : undefined;
  if (unknown !== undefined) throw unknown;
  if (flags.json) caller.stdout.write(`${JSON.stringify({ calls })}\n`);
  else if (calls.length === 0) caller.stderr.write('no such calls are kept\n');
  else caller.stdout.write(`${callTable(calls, paint).join('\n')}\n`);
  return EXIT.ok;
}

async function show(call: CommandCall): Promise<number> {
  const found = await one(call);
  const { flags, caller, paint } = call;
  caller.stdout.write(`${flags.json ? callFacts(found) : callLines(found, paint).join('\n')}\n`);
  return EXIT.ok;
}

async function cost(call: CommandCall): Promise<number> {
  const { args, flags, caller } = call;
  const sinceMs = (flags.since as number | undefined) ?? Date.now() - COST_DAYS * 86_400_000;
  const report = await costSince(filesOf(clusterOf(call)), { sinceMs, lambda: args[1] });
  caller.stdout.write(`${flags.json ? JSON.stringify(report) : costLines(report).join('\n')}\n`);
  return EXIT.ok;
}

/** The call that is meant. Throws Failure unless there is exactly one. */
async function one(call: CommandCall): Promise<Found> {
  const [word, prefix] = call.args;
  if (prefix === undefined) throw new Failure('usage', `calls ${word} needs the begin of a request id`);
  const found = await findKeptCalls(filesOf(clusterOf(call)), prefix);
  const [first] = found;
  if (first === undefined) {
    throw new Failure('lambda-missing', `no call that is kept has a request id that begins with ${prefix}`);
  }
  if (found.every(({ requestId }) => requestId === first.requestId)) return first;
  const ids = found.map(({ requestId, lambda }) => `${requestId} ${lambda}`);
  throw new Failure('usage', `more than one request id begins with ${prefix}`, { problems: ids });
}

function versionsIn(layout: Layout): KnownVersions {
  return (worker, lambda, begin) => versionsOfCalls({ worker, path: layout.workerCalls(worker) }, lambda, begin);
}

function filesOf(layout: Layout): CallsFile[] {
  return workerNames(layout).map((worker) => ({ worker, path: layout.workerCalls(worker) }));
}
