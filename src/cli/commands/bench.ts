import { type Command, InvalidArgumentError } from 'commander';
import { candidatesOf } from '../../cluster/invoke.ts';
import { type LoadResult, openLoop } from '../../cluster/open-loop.ts';
import { Failure } from '../../config/failure.ts';
import { Interrupted } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { readEvent } from '../event-argument.ts';
import { EXIT } from '../exit-codes.ts';
import { loadFacts, loadReport } from '../load-report.ts';
import { wholeNumber } from '../whole-number.ts';

const PER_SECOND_MAX = 20_000;
const SECONDS_MAX = 3_600;
/** Every call's times are kept until the end. */
const CALLS_MAX = 5_000_000;

const EXAMPLES = `
Calls come at random times, as from callers who know nothing of each other, --rate of them a
second whatever becomes of them (--even: at equal distances). Each is timed from when it was due, so
calls that had to wait count in full. "cold" are those that loaded the code; "queue", "init" and "run"
are the worker's own times. The event is that of \`admin invoke\`: argument, --file or standard input.
ctrl-C ends it early, and says what was measured.

Exit code 1 if not one call was answered with a result.

Examples:
  admin bench hello '{"name": "Alice"}' --cluster=my-cluster
  admin bench hello --rate=500 --seconds=30 --cluster=my-cluster --json </dev/null`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .argument('<lambda>', 'name of the lambda')
    .argument('[event]', 'the event, as JSON')
    .option('--file <path>', 'read the event from this file; - is standard input')
    .option('--rate <num>', `calls per second, up to ${PER_SECOND_MAX}; may be a fraction`, rate, 50)
    .option('--seconds <num>', 'how long', wholeNumber(`1 to ${SECONDS_MAX}`, between(1, SECONDS_MAX)), 10)
    .option('--even', 'calls at equal distances, not at random ones')
    .option('--open <num>', 'most calls under way', wholeNumber('1 to 10000', between(1, 10_000)), 1_000)
    .option('--timeout <seconds>', 'longest wait for an answer', wholeNumber('1 or more', between(1, 86_400)), 60)
    .option(
      '--worker <num>',
      'ask this worker; else the first',
      wholeNumber('the number of a worker', (number) => number >= 0),
    )
    .option('--json', 'print what was measured as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, args, caller } = call;
  const [lambda = ''] = args;
  const [perSecond, seconds] = [flags.rate as number, flags.seconds as number];
  if (perSecond * seconds > CALLS_MAX) {
    throw new Failure('usage', `${perSecond} calls a second for ${seconds} s are more than ${CALLS_MAX} calls`);
  }
  const layout = clusterOf(call);
  const [worker] = candidatesOf({ layout, worker: flags.worker as number | undefined });
  if (worker?.address === undefined)
    throw new Failure('unreachable', `${worker?.name}: its configuration can not be read`);
  const event = await readEvent(call);
  const stop = new AbortController();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => stop.abort(new Interrupted(signal)));
  let result: LoadResult;
  try {
    result = await openLoop({
      address: worker.address,
      path: `/runLambda/${encodeURIComponent(lambda)}`,
      event,
      perSecond,
      forMs: seconds * 1_000,
      gaps: flags.even ? 'even' : 'random',
      openMax: flags.open as number,
      waitMs: (flags.timeout as number) * 1_000,
      signal: stop.signal,
    });
  } finally {
    unlisten();
  }
  const facts = loadFacts(result);
  const lines = flags.json
    ? [JSON.stringify({ lambda, worker: worker.name, rate: perSecond, ...facts })]
    : [`${lambda} on ${worker.name}: ${perSecond} calls a second`, ...loadReport(facts)];
  caller.stdout.write(`${lines.join('\n')}\n`);
  if (stop.signal.reason instanceof Interrupted && stop.signal.reason.signal !== 'SIGINT') throw stop.signal.reason;
  return facts.served > 0 ? EXIT.ok : EXIT.failed;
}

function rate(text: string): number {
  const number = /^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(number > 0 && number <= PER_SECOND_MAX)) {
    throw new InvalidArgumentError(`It must be a number of calls per second, up to ${PER_SECOND_MAX}`);
  }
  return number;
}

function between(least: number, most: number): (number: number) => boolean {
  return (number) => number >= least && number <= most;
}
