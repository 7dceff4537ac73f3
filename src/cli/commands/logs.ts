import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { registryDirs } from '../../cluster/fleet.ts';
import { followDir } from '../../cluster/follow-dir.ts';
import { formatEntry } from '../../cluster/lambda-log.ts';
import { LambdaLogReader, type WorkerEntry } from '../../cluster/lambda-log-reader.ts';
import type { Layout } from '../../cluster/layout.ts';
import { Failure } from '../../config/failure.ts';
import { Interrupted } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { entryLines } from '../log-lines.ts';
import { parseSince } from '../since.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
What handlers printed and what became of calls, of all workers in the order of time: those that
ran before, too, as far as log_files and log_file_mb keep it. A line has time, worker, lambda and
instance, request id (- if it was printed between two calls), and START when a call begins, stdout
or stderr, END when it has ended. Lines of a call that takes long are shown while it runs.
Characters that a terminal would obey are shown as \\x1b. With --json one object per entry.

Examples:
  admin logs --cluster=my-cluster
  admin logs hello -f --cluster=my-cluster
  admin logs hello --since=10m --cluster=my-cluster
  admin logs --since=2026-11-22T10:00:00Z --json --cluster=my-cluster`;

/** Entries that are shown of what there is already, if nobody says what he wants. */
const LAST = 100;

export function shape(command: Command): void {
  addClusterFlag(command)
    .argument('[lambda]', 'of this lambda only')
    .option('-f, --follow', 'go on with what comes, until ctrl-C')
    .option('--since <when>', 'not what is older: 10m, 1h30m, 2d, or a time such as 2026-11-22T10:00:00Z', (text) =>
      parseSince(text),
    )
    .option(
      '-n, --tail <count>',
      `the newest entries only (default ${LAST}, or all with --since)`,
      wholeNumber('a whole number', (number) => number >= 0),
    )
    .option('--json', 'print entries as JSON, one per line')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { since, tail } = call.flags as { since?: number; tail?: number };
  const last = tail ?? (since === undefined ? LAST : Number.POSITIVE_INFINITY);
  const [lambda] = call.args;
  const reader = new LambdaLogReader(layout.logsDir, { lambda, sinceMs: since, last });
  if (call.flags.follow) await follow(call, layout, reader);
  else await show(call, layout, reader);
  return EXIT.ok;
}

async function show(call: CommandCall, layout: Layout, reader: LambdaLogReader): Promise<void> {
  const [lambda] = call.args;
  const entries = reader.past();
  // A lambda that has gone may have entries; one that is not there either is a typing error.
  if (entries.length === 0 && lambda !== undefined && !isThere(layout, lambda)) {
    const hint = '`admin logs` without a name shows all there are';
    throw new Failure('lambda-missing', `there is no lambda ${JSON.stringify(lambda)}, and no entry of one; ${hint}`);
  }
  if (entries.length === 0) call.caller.stderr.write('there are no entries\n');
  await print(call, entries);
}

function isThere(layout: Layout, lambda: string): boolean {
  return registryDirs(layout).some((dir) => existsSync(join(dir, lambda)));
}

/** Until it is interrupted. */
async function follow(call: CommandCall, layout: Layout, reader: LambdaLogReader): Promise<void> {
  const { caller, args } = call;
  const stop = new AbortController();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM'], (signal) => stop.abort(new Interrupted(signal)));
  let look = () => {
    look = () => reader.news();
    return reader.past();
  };
  const [lambda] = args;
  if (lambda !== undefined && !isThere(layout, lambda)) {
    caller.stderr.write(`there is no lambda ${JSON.stringify(lambda)} yet\n`);
  }
  try {
    await followDir(layout.logsDir, () => print(call, look(), stop.signal), stop.signal);
  } finally {
    unlisten();
  }
  throw stop.signal.reason;
}

async function print({ flags, caller, paint }: CommandCall, entries: readonly WorkerEntry[], signal?: AbortSignal) {
  for (const entry of entries) {
    const text = flags.json ? formatEntry(entry) : entryLines(entry, paint);
    // No faster than it is read: there may be more than fits into memory.
    if (!caller.stdout.write(text)) await once(caller.stdout, 'drain', signal === undefined ? {} : { signal });
  }
}
