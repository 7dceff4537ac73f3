import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { type AsyncAdmin, type JobView, withQueue } from '../../compose/async-admin.ts';
import { Failure } from '../../config/failure.ts';
import { actionArgument } from '../action-argument.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { choiceOption, NamedArgument } from '../named-argument.ts';
import { columns, mebibytes, shortAge } from '../terminal.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Actions:
  list              how many calls wait, run, are done and dead, and the oldest that wait or run
  dead              the dead letters: calls that were given up, with their errors
  show ID           one call, with its event unless it is done
  redrive [ID]      dead letters wait again, as if they had just come
  purge [ID]        dead letters go for good; with --state=queued calls that wait

redrive and purge take an id, --lambda=NAME for all of a lambda, or --all. They work with and
without workers; those that run see the change within five seconds.

Examples:
  admin async list --cluster=my-cluster
  admin async dead --cluster=my-cluster --lambda=hello --json
  admin async redrive --cluster=my-cluster --lambda=hello
  admin async purge --cluster=my-cluster --all`;

const LIMIT = 50;
const LIMIT_MAX = 100_000;

interface Said {
  lines: readonly string[];
  facts: object;
}

type Action = (queue: AsyncAdmin, call: CommandCall) => Said;

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['list', list],
  ['dead', dead],
  ['show', show],
  ['redrive', redrive],
  ['purge', purge],
]);

const TAKES_ID: ReadonlySet<string> = new Set(['show', 'redrive', 'purge']);
const STATES: readonly string[] = ['dead', 'queued'];

export function shape(command: Command): void {
  addClusterFlag(command)
    .addArgument(actionArgument('<action>', ACTIONS.keys()))
    .addArgument(
      new NamedArgument('[id]', 'request id of a call', ([word]) => (TAKES_ID.has(word ?? '') ? 'async-call' : 'free')),
    )
    .option('--lambda <name>', 'only the calls of this lambda')
    .option('--all', 'redrive, purge: all of them')
    .addOption(choiceOption('--state <state>', 'purge: which', STATES).default('dead'))
    .option(
      '-n, --limit <count>',
      'list, dead: how many calls to show',
      wholeNumber(`1 to ${LIMIT_MAX}`, (number) => number >= 1 && number <= LIMIT_MAX),
      LIMIT,
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

/** Request ids of the last asynchronous calls; where dead letters are looked after, of those. Throws Failure. */
export async function asyncCallIds(call: CommandCall): Promise<{ value: string; about: string }[]> {
  const [word] = call.args;
  const states: readonly JobView['state'][] =
    word === 'show' ? ['dead', 'queued', 'running', 'done'] : [call.flags.state === 'queued' ? 'queued' : 'dead'];
  const settings = readTemplate(clusterOf(call).template);
  const lambda = call.flags.lambda as string | undefined;
  const jobs = await withQueue(settings, (queue) =>
    states.flatMap((state) => queue.ask('list', { state, lambda, limit: LIMIT })),
  );
  return (jobs ?? []).map((job) => ({ value: job.id, about: `${job.lambda}, ${job.state}` }));
}

export async function run(call: CommandCall): Promise<number> {
  const { args, caller, flags } = call;
  const [word = '', id] = args;
  const action = ACTIONS.get(word);
  if (action === undefined) {
    throw new Failure('usage', `async has the actions ${[...ACTIONS.keys()].join(', ')}; see \`admin help async\``);
  }
  if (id !== undefined && (action === list || action === dead)) throw new Failure('usage', `async ${word} takes no id`);
  const settings = readTemplate(clusterOf(call).template);
  const said = await withQueue(settings, (queue) => action(queue, call));
  if (said === undefined) {
    if (action === show) throw missing(id);
    if (flags.json) caller.stdout.write('{}\n');
    caller.stderr.write('there has been no asynchronous call in this cluster\n');
    return EXIT.ok;
  }
  caller.stdout.write(`${flags.json ? JSON.stringify(said.facts) : said.lines.join('\n')}\n`);
  return EXIT.ok;
}

function list(queue: AsyncAdmin, { flags }: CommandCall): Said {
  const totals = queue.ask('totals', {});
  const { oldestMs, ...states } = totals;
  const order = { lambda: flags.lambda as string | undefined, limit: flags.limit as number };
  const calls = [
    ...queue.ask('list', { ...order, state: 'running' }),
    ...queue.ask('list', { ...order, state: 'queued' }),
  ].slice(0, order.limit);
  const counts = Object.entries(states).map(([state, { count, bytes }]) => [state, String(count), mebibytes(bytes)]);
  const table = calls.length === 0 ? [] : ['', ...tableOf(calls)];
  const facts = { totals: states, oldest: oldestMs === null ? null : timeOf(oldestMs), calls: calls.map(factsOf) };
  return { lines: [...columns([['STATE', 'CALLS', 'EVENTS'], ...counts]), ...table], facts };
}

function dead(queue: AsyncAdmin, { flags }: CommandCall): Said {
  const { lambda, limit } = flags as { lambda?: string; limit: number };
  const calls = queue.ask('list', { state: 'dead', lambda, limit });
  const { count } = queue.ask('totals', {}).dead;
  return {
    lines: calls.length === 0 ? ['there are no dead letters'] : tableOf(calls),
    facts: { dead: count, calls: calls.map(factsOf) },
  };
}

function show(queue: AsyncAdmin, { args }: CommandCall): Said {
  const id = args[1];
  const job = id === undefined ? undefined : queue.ask('look', { id });
  if (job === undefined) throw missing(id);
  const bytes = queue.ask('event', { id: job.id });
  const event = bytes === undefined ? undefined : Buffer.from(bytes).toString();
  const facts = factsOf(job);
  const rows = Object.entries(facts).map(([name, value]) => [name, String(value)]);
  return {
    lines: [...columns(rows), ...(event === undefined ? [] : ['', event])],
    facts: { ...facts, event: event ?? null },
  };
}

function redrive(queue: AsyncAdmin, call: CommandCall): Said {
  const calls = queue.ask('redrive', { ...choiceOf(call), nowMs: Date.now() });
  return { lines: [calls === 1 ? '1 call waits again' : `${calls} calls wait again`], facts: { redriven: calls } };
}

function purge(queue: AsyncAdmin, call: CommandCall): Said {
  const { state } = call.flags;
  if (state !== 'dead' && state !== 'queued') throw new Failure('usage', '--state is dead or queued');
  const calls = queue.ask('purge', { ...choiceOf(call), state });
  return { lines: [calls === 1 ? '1 call is gone' : `${calls} calls are gone`], facts: { purged: calls } };
}

/** Nobody throws everything away by leaving something out. */
function choiceOf({ args, flags }: CommandCall): { id: string | undefined; lambda: string | undefined } {
  const [word, id] = args;
  const lambda = flags.lambda as string | undefined;
  if ([id, lambda, flags.all || undefined].filter((one) => one !== undefined).length === 1) return { id, lambda };
  throw new Failure('usage', `async ${word} takes an id, --lambda=NAME or --all`);
}

function tableOf(calls: readonly JobView[]): string[] {
  const nowMs = Date.now();
  const rows = calls.map((job) => [
    job.id,
    job.lambda,
    job.state,
    shortAge(Math.max(0, nowMs - job.createdMs)),
    String(job.attempts),
    job.state === 'queued' && job.dueMs > nowMs ? shortAge(job.dueMs - nowMs) : '-',
    job.errorType ?? '-',
  ]);
  return columns([['ID', 'LAMBDA', 'STATE', 'AGE', 'ATTEMPTS', 'DUE IN', 'ERROR'], ...rows]);
}

function factsOf({ id, createdMs, dueMs, sinceMs, ...job }: JobView): object {
  const due = job.state === 'queued' ? { due: timeOf(dueMs) } : {};
  return { requestId: id, ...job, created: timeOf(createdMs), since: timeOf(sinceMs), ...due };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
function missing(id: string | undefined): Failure {
  return id === undefined
    ? new Failure('usage', 'async show needs the request id of a call')
    : new Failure('call-missing', `there is no asynchronous call ${id}, or no longer`);
}
