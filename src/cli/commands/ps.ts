import type { Command } from 'commander';
import { askFleet } from '../../cluster/ask-fleet.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { instanceTable, type Look, workerTable } from '../fleet-tables.ts';

const EXAMPLES = `
Lists the workers, then the instances of all lambdas: state, age, events it was given, memory.
INSTANCES and WAITING are counts of instances and of calls that wait for one; POOL is how many
sandboxes wait for code, and how many should. Exit code 6 if a worker died or does not answer.

Examples:
  admin ps --cluster=my-cluster
  admin ps --cluster=my-cluster --json`;

export function shape(command: Command): void {
  addClusterFlag(command).option('--json', 'print facts as JSON').addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { stdout, stderr } = call.caller;
  const look: Look = { asked: await askFleet(layout), atMs: performance.now() };
  if (call.flags.json) stdout.write(`${JSON.stringify({ cluster: layout.root, workers: factsOf(look) })}\n`);
  else if (look.asked.length > 0) stdout.write(`${[...workerTable(look), '', ...instanceTable(look)].join('\n')}\n`);
  if (look.asked.length === 0) {
    stderr.write(`no worker runs; \`admin workers --cluster=${shellQuote(layout.root)}\` starts one\n`);
  }
  return look.asked.every(({ answer }) => answer.kind === 'answer') ? EXIT.ok : EXIT.unreachable;
}

function factsOf({ asked }: Look): object[] {
  return asked.map(({ worker, answer }) => ({
    name: worker.name,
    pid: worker.state.kind === 'running' ? worker.state.pid : null,
    ...(answer.kind === 'answer' ? { reachable: true, ...answer.status } : { reachable: false, reason: answer.reason }),
  }));
}
