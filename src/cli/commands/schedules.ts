import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { listSchedules, type ScheduleFacts } from '../../compose/schedules-admin.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { columns } from '../terminal.ts';

const EXAMPLES = `
Lists the schedules that lambdas have in their lambda.json, as the workers know them: when each makes
its next call, and when it was due last. Times are in UTC. A worker knows a change within a second.

Examples:
  admin schedules --cluster=my-cluster
  admin schedules --cluster=my-cluster --json`;

export function shape(command: Command): void {
  addClusterFlag(command).option('--json', 'print facts as JSON').addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const schedules = await listSchedules(readTemplate(clusterOf(call).template), Date.now());
  if (flags.json) caller.stdout.write(`${JSON.stringify({ schedules })}\n`);
  else if (schedules.length > 0) caller.stdout.write(`${tableOf(schedules).join('\n')}\n`);
  else caller.stderr.write('no lambda has a schedule that a worker knows of\n');
  return EXIT.ok;
}

function tableOf(schedules: readonly ScheduleFacts[]): string[] {
  const rows = schedules.map(({ lambda, name, cron, timezone, next, last }) => {
    return [lambda, name, cron, timezone, next ?? 'never', last ?? '-'];
  });
  return columns([['LAMBDA', 'NAME', 'CRON', 'TIME ZONE', 'NEXT', 'LAST'], ...rows]);
}
