import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { examineMachine, isFit } from '../../compose/doctor.ts';
import type { DockerWish } from '../../compose/doctor-docker.ts';
import type { Check } from '../../compose/machine-check.ts';
import { defaultSettings } from '../../config/parse.ts';
import { clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import type { Colour, Paint } from '../terminal.ts';

const EXAMPLES = `
Tries what sandboxes are made of, on this machine, as this user, and changes nothing. "weaker"
is a wall or a limit less; "missing" is something without which no lambda runs, unless it is
marked as optional. Exit code 0 if lambdas can run, 1 if not.

Examples:
  admin doctor
  admin doctor --cluster=my-cluster
  sudo admin doctor --json`;

const COLOURS: Readonly<Record<Check['state'], Colour>> = { ok: 'green', weaker: 'yellow', missing: 'red' };

export function shape(command: Command): void {
  command
    .option(
      '--cluster <dir>',
      'the cluster whose Docker image is looked at (else $ISLA_CLUSTER, else the default image)',
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller, paint } = call;
  const checks = await examineMachine(dockerWish(call));
  const fit = isFit(checks);
  if (flags.json) caller.stdout.write(`${JSON.stringify({ fit, checks })}\n`);
  else caller.stdout.write(describe(checks, paint));
  return fit ? EXIT.ok : EXIT.failed;
}

/** A machine is looked at before there is a cluster, too. */
function dockerWish(call: CommandCall): DockerWish {
  const named = call.flags.cluster !== undefined || call.caller.env.ISLA_CLUSTER;
  const { sandbox, docker } = named ? readTemplate(clusterOf(call).template) : defaultSettings(call.caller.cwd);
  return { image: docker.image, needed: sandbox === 'docker' };
}

function describe(checks: readonly Check[], paint: Paint): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const blocks = checks.map((check) => lines(check, width, paint).join('\n'));
  const verdict = isFit(checks) ? 'Lambdas can run on this machine.' : 'Lambdas can not run on this machine yet.';
  return `${blocks.join('\n')}\n\n${verdict}\n`;
}

function lines(check: Check, width: number, paint: Paint): string[] {
  const optional = check.state === 'missing' && !check.needed;
  const state = optional ? 'optional' : check.state;
  const colour = optional ? 'dim' : COLOURS[check.state];
  const indent = ' '.repeat(width + 14);
  return [
    `  ${paint(colour, state.padEnd(8))}  ${check.name.padEnd(width)}  ${check.found}`,
    ...(check.means === undefined ? [] : [`${indent}${check.means}`]),
    ...(check.mend === undefined ? [] : [`${indent}mend: ${check.mend}`]),
  ];
}
