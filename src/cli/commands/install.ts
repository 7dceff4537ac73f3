import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  type Installed,
  type InstallOrder,
  install,
  needSystemd,
  refuseOtherPorts,
  runCommand,
  servicesOf,
  startCommands,
  unitDir,
  unitFileOf,
  unitOf,
} from '../../cluster/install.ts';
import { isUnitName, UNIT_NAME_RULE, unitNameOf } from '../../cluster/systemd-unit.ts';
import { FIRST_PORT } from '../../cluster/worker-config.ts';
import { Failure } from '../../config/failure.ts';
import { PORT_MAX, WORKERS_MAX } from '../../config/limits.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Writes a unit from which systemd runs the workers of the cluster: it starts them with the machine,
waits until they serve, starts them again when they crash, and stops them as "admin kill" does.
Run again after a change it writes what is different. Workers read the template whenever they
start; their ports are in the unit. Services of root's systemd run as the owner of the cluster;
those of --user as the user.

Examples:
  admin install --systemd --cluster=/srv/functions
  admin install --systemd --cluster=/srv/functions --num-workers=2 --port=9000 --now
  admin install --systemd --user --cluster=my-cluster
  admin install --systemd --cluster=my-cluster --print`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .option('--systemd', 'as services of systemd; there is nothing else yet')
    .option('--user', "of this user's own systemd, without root")
    .option(
      '-n, --num-workers <num>',
      'how many',
      wholeNumber(`1 to ${WORKERS_MAX}`, (number) => number >= 1 && number <= WORKERS_MAX),
      1,
    )
    .option(
      '-p, --port <port>',
      'port of the first',
      wholeNumber(`1 to ${PORT_MAX}`, (number) => number >= 1 && number <= PORT_MAX),
      FIRST_PORT,
    )
    .option('--name <name>', 'name of the unit (else isla- and the name of the cluster)')
    .option('--now', 'start the services, and with every start of the machine')
    .option('--dir <dir>', 'write the unit there, for another machine or an image')
    .option('--print', 'print the unit and do nothing')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  if (!flags.systemd) throw new Failure('usage', 'install what? `admin install --systemd`');
  const order = orderOf(call);
  const { user } = order;
  const home = unitDir(user, caller.env);
  if (flags.print) {
    const file = unitFileOf({ ...order, dir: home });
    if (flags.json) return printFacts(call, { unitFile: file, unit: unitOf(order), services: servicesOf(order) });
    caller.stdout.write(unitOf(order));
    caller.stderr.write(`the unit belongs into ${file}; its services are ${servicesOf(order).join(' ')}\n`);
    return EXIT.ok;
  }
  const elsewhere = flags.dir !== undefined;
  if (!elsewhere) {
    needSystemd(user, caller.env);
    refuseOtherPorts(order);
  }
  const installed = install(order);
  const { unitFile, unchanged, services } = installed;
  const say = (line: string) => void (flags.json || caller.stdout.write(`${line}\n`));
  say(`${unchanged ? 'Unchanged' : 'Wrote'} ${unitFile}`);
  const commands = startCommands(user, services);
  if (flags.now) {
    for (const command of commands) runCommand(command);
    for (const service of services) say(`Started ${service}`);
  }
  if (flags.json) return printFacts(call, { unitFile, unchanged, services, next: flags.now ? [] : commands });
  if (flags.now) return EXIT.ok;
  const first = elsewhere
    ? `Copy it to ${user ? '~/.config/systemd/user' : home}, then run:`
    : 'Run next, or use --now:';
  caller.stdout.write(`${first}\n${nextSteps(installed, commands, user)}`);
  return EXIT.ok;
}

function printFacts({ caller }: CommandCall, facts: object): number {
  caller.stdout.write(`${JSON.stringify(facts)}\n`);
  return EXIT.ok;
}

function orderOf(call: CommandCall): InstallOrder {
  const { flags, caller } = call;
  if (flags.print && (flags.now || flags.dir !== undefined))
    throw new Failure('usage', '--print does nothing but print: it goes with neither --now nor --dir');
  if (flags.dir !== undefined && flags.now)
    throw new Failure('usage', '--now starts what is on this machine, --dir is not');
  const layout = clusterOf(call);
  const name = (flags.name as string | undefined) ?? unitNameOf(basename(layout.root));
  if (!isUnitName(name)) throw new Failure('usage', `${JSON.stringify(name)} is no name of a unit: ${UNIT_NAME_RULE}`);
  const [count, port] = [flags.numWorkers as number, flags.port as number];
  if (port + count - 1 > PORT_MAX) throw new Failure('usage', `the last port would be ${port + count - 1}`);
  const user = flags.user === true;
  const dir = flags.dir === undefined ? unitDir(user, caller.env) : resolve(caller.cwd, flags.dir as string);
  return { layout, program: caller.program, user, name, dir, count, port };
}

function nextSteps({ services }: Installed, commands: readonly string[][], user: boolean): string {
  const journal = ['journalctl', ...(user ? ['--user'] : []), '-f', '-u', services[0] as string];
  const lines = [...commands, journal].map((command) => `  ${command.map(shellQuote).join(' ')}\n`);
  const lingering = user ? '  loginctl enable-linger    (for services that run while you are not logged in)\n' : '';
  return `${lines.slice(0, -1).join('')}${lingering}See what they say:\n${lines.at(-1)}`;
}
