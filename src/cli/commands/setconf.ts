import type { Command } from 'commander';
import { listFleet } from '../../cluster/fleet.ts';
import { type Change, changeTemplate } from '../../cluster/template.ts';
import { legalValues } from '../../config/field.ts';
import { everyField } from '../../config/fields.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

const EXAMPLES = `
Changes config/template.json, from which the next \`admin workers\` takes its settings.
Objects are merged. Nothing is written unless everything is legal. Relative paths start at the
cluster directory.

Examples:
  admin setconf --cluster=my-cluster '{"sandbox": "sock", "registry": "local"}'
  admin setconf --cluster=my-cluster '{"pool_size": 8, "limits": {"memory_mb": 512}}'

Settings:
`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .argument('<json>', 'the settings to change, as a JSON object')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', () => EXAMPLES + settingsHelp());
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { stdout, stderr } = call.caller;
  const { changes, missing } = changeTemplate(layout.template, call.args[0] as string);
  for (const { key, path } of missing) stderr.write(`${key}: there is no ${path} yet\n`);
  const running = listFleet(layout).filter((worker) => worker.state.kind === 'running');
  if (call.flags.json) {
    stdout.write(`${JSON.stringify({ changes, running: running.map((worker) => worker.name) })}\n`);
    return EXIT.ok;
  }
  if (changes.length === 0) stdout.write('nothing changed: the settings were so already\n');
  for (const change of changes) stdout.write(`${describe(change)}\n`);
  if (changes.length > 0 && running.length > 0) {
    const whom = running.length === 1 ? '1 running worker keeps' : `${running.length} running workers keep`;
    stdout.write(`${whom} the old settings; \`admin kill\` and \`admin workers\` apply the new\n`);
  }
  return EXIT.ok;
}

function describe(change: Change): string {
  const show = (value: unknown) => (value === undefined ? 'not set' : JSON.stringify(value));
  return `${change.key}: ${show(change.old)} -> ${show(change.new)}`;
}

function settingsHelp(): string {
  return everyField()
    .map(
      ([key, field]) =>
        `  ${key.padEnd(22)}  ${field.about}\n${' '.repeat(26)}${legalValues(field)}; default ${JSON.stringify(field.initial)}`,
    )
    .join('\n');
}
