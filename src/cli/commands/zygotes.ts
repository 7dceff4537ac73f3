import type { Command } from 'commander';
import { type Asked, askFleet } from '../../cluster/ask-fleet.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { importCacheLines, loaderLines } from '../zygote-tree.ts';

const EXAMPLES = `
Draws the import cache of each worker: below the zygote without packages those that have imported
some, each with what it has more than the one that it was made from. HITS is how many sandboxes of
lambdas have started from it, SAVED the time that this took less, IMPORT what its own modules took,
MEMORY what it takes with its part of what it shares, WAITING how many sandboxes of it wait. Then
what can not be forked and is kept out, and the loaders: processes that have loaded a lambda's own
code, of which each of its events gets a fork. Exit code 6 if a worker died or does not answer.

Examples:
  admin zygotes --cluster=my-cluster
  admin zygotes --cluster=my-cluster --json`;

export function shape(command: Command): void {
  addClusterFlag(command).option('--json', 'print facts as JSON').addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { stdout, stderr } = call.caller;
  const asked = await askFleet(layout);
  if (call.flags.json) stdout.write(`${JSON.stringify({ cluster: layout.root, workers: asked.map(factsOf) })}\n`);
  else for (const one of asked) stdout.write(`${linesOf(one).join('\n')}\n`);
  if (asked.length === 0) {
    stderr.write(`no worker runs; \`admin workers --cluster=${shellQuote(layout.root)}\` starts one\n`);
  }
  return asked.every(({ answer }) => answer.kind === 'answer') ? EXIT.ok : EXIT.unreachable;
}

function linesOf({ worker: { name }, answer }: Asked): string[] {
  if (answer.kind === 'silent') return [`${name}: ${answer.reason}`];
  const { import_cache: cache, loaders = [] } = answer.status;
  const tree = cache === undefined ? [`${name}: no import cache`] : importCacheLines(name, cache);
  return [...tree, ...loaderLines(loaders)];
}

function factsOf({ worker: { name }, answer }: Asked): object {
  if (answer.kind === 'silent') return { name, reachable: false, reason: answer.reason };
  return {
    name,
    reachable: true,
    import_cache: answer.status.import_cache ?? null,
    loaders: answer.status.loaders ?? [],
  };
}
