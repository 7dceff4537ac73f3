import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { listFleet } from '../../cluster/fleet.ts';
import { isLambda } from '../../compose/lambda-dirs.ts';
import type { PackagesCluster } from '../../compose/packages-admin.ts';
import * as admin from '../../compose/packages-admin.ts';
import { Failure } from '../../config/failure.ts';
import type { Log } from '../../lib/log.ts';
import { actionArgument } from '../action-argument.ts';
import { Interrupted } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT, exitCodeOf } from '../exit-codes.ts';
import { howMuch, Progress } from '../progress.ts';
import { columns, mebibytes } from '../terminal.ts';

const EXAMPLES = `
Actions:
  install [LAMBDA...]   install what lambdas need before they are called; without names, of all
                        lambdas in the local registry
  list                  what is installed, how large it is, and which lambdas have it
  show LAMBDA           what its requirements came to: versions and hashes
  prune [--dry-run]     remove what no lambda of the registry, and of a running worker, has

A call installs what is missing, too: nobody has to. docs/packages.md says what a lambda writes.

Examples:
  admin packages install --cluster=my-cluster
  admin packages show hello --cluster=my-cluster
  admin packages prune --dry-run --cluster=my-cluster`;

interface Asked {
  call: CommandCall;
  names: readonly string[];
  cluster: PackagesCluster;
}

type Action = (asked: Asked) => Promise<number>;

const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ['install', install],
  ['list', list],
  ['show', show],
  ['prune', prune],
]);

export function shape(command: Command): void {
  addClusterFlag(command)
    .addArgument(actionArgument('<action>', ACTIONS.keys()))
    .argument('[lambda...]', 'names of lambdas')
    .option('--dry-run', 'prune: only say what would go')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const [word = '', ...names] = call.args;
  const action = ACTIONS.get(word);
  if (action === undefined) {
    throw new Failure(
      'usage',
      `packages has the actions ${[...ACTIONS.keys()].join(', ')}; see \`admin help packages\``,
    );
  }
  if ((action === list || action === prune) && names.length > 0)
    throw new Failure('usage', `packages ${word} takes no name`);
  if (action === show && names.length !== 1) throw new Failure('usage', 'packages show takes the name of one lambda');
  if (call.flags.dryRun && action !== prune) throw new Failure('usage', `packages ${word} takes no --dry-run`);
  const layout = clusterOf(call);
  const running = listFleet(layout).filter(({ state }) => state.kind === 'running');
  const cluster: PackagesCluster = {
    settings: readTemplate(layout.template),
    logsDir: layout.logsDir,
    workersDir: layout.workersDir,
    workers: running.map(({ name }) => name),
  };
  return action({ call, names, cluster });
}

async function install({ call, names, cluster }: Asked): Promise<number> {
  const { stdout, stderr } = call.caller;
  const aborting = new AbortController();
  let signalled: NodeJS.Signals | undefined;
  const stopListening = call.caller.onSignal(['SIGINT', 'SIGTERM'], (signal) => {
    signalled = signal;
    aborting.abort();
  });
  const log: Log = (level, message, facts) => {
    if (level === 'error') stderr.write(`${message} ${JSON.stringify(facts ?? {})}\n`);
  };
  let worst: number = EXIT.ok;
  const facts: object[] = [];
  const progress = new Progress(call.caller);
  try {
    await admin.installPackages(cluster, names, {
      log,
      signal: aborting.signal,
      onProgress: (lambda, text, bytes) => {
        if (call.flags.json) return;
        // One line that changes where somebody looks; elsewhere a line for each step.
        if (progress.wanted)
          progress.show(`${lambda}: ${text}${bytes === undefined ? '' : `: ${howMuch(bytes.done, bytes.of)}`}`);
        else if (bytes === undefined) stderr.write(`${lambda}: ${text}\n`);
      },
      onDone: (lambda, outcome) => {
        progress.clear();
        const failed = outcome instanceof Failure;
        if (failed) worst = exitCodeOf(outcome.code);
        facts.push({ lambda, outcome: failed ? 'failed' : outcome, ...(failed ? { reason: outcome.message } : {}) });
        if (call.flags.json) return;
        if (failed) stderr.write(`${outcome.message}\n`);
        else if (outcome === 'installed') stdout.write(`${lambda} has its packages\n`);
        else if (names.length > 0) stdout.write(`${lambda} needs no packages\n`);
      },
    });
  } catch (error) {
    if (signalled === undefined) throw error;
  } finally {
    progress.clear();
    stopListening();
  }
  if (signalled !== undefined) throw new Interrupted(signalled);
  if (call.flags.json) stdout.write(`${JSON.stringify({ lambdas: facts })}\n`);
  return worst;
}

async function list({ call, cluster }: Asked): Promise<number> {
  const packages = admin.listPackages(cluster, await admin.declaredInRegistry(cluster.settings));
  if (call.flags.json) return said(call, [], { packages });
  if (packages.length === 0) return said(call, ['no packages are installed'], {});
  const several = new Set(packages.map(({ interpreter }) => interpreter)).size > 1;
  const rows = packages
    .sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version, undefined, { numeric: true }))
    .map((one) => [
      one.name,
      one.version,
      mebibytes(one.bytes),
      ...(several ? [one.interpreter] : []),
      one.lambdas.join(', ') || '-',
    ]);
  const head = ['PACKAGE', 'VERSION', 'SIZE', ...(several ? ['PYTHON'] : []), 'LAMBDAS'];
  return said(call, columns([head, ...rows]), {});
}

async function show({ call, names, cluster }: Asked): Promise<number> {
  const [lambda = ''] = names;
  const declared = (await admin.declaredInRegistry(cluster.settings)).get(lambda);
  const views = admin.showPackages(cluster, lambda, declared);
  if (views.length === 0) {
    const { registry, registry_dir } = cluster.settings;
    if (registry === 'local' && !isLambda(registry_dir, lambda))
      throw new Failure('lambda-missing', `there is no lambda ${lambda} in ${registry_dir}`);
    const hint = declared === undefined ? 'it asks for none' : '`admin packages install` chooses and installs them';
    throw new Failure('lambda-missing', `lambda ${lambda} has no packages yet: ${hint}`);
  }
  const lines = views.flatMap(({ requirements, interpreter, resolvedAt, resolver, members }) => [
    `${lambda}: ${requirements.join(', ')}`,
    `for ${interpreter}, chosen ${resolvedAt} by ${resolver}`,
    ...columns([
      ['PACKAGE', 'VERSION', 'SHA256', 'FETCHED'],
      ...members.map(({ name, version, sha256, file, source }) => [name, version, sha256, source?.file ?? file]),
    ]),
  ]);
  return said(call, lines, { resolutions: views });
}

async function prune({ call, cluster }: Asked): Promise<number> {
  const declared = await admin.declaredInRegistry(cluster.settings);
  const dry = call.flags.dryRun === true;
  const { sets, wheels, resolutions } = await admin.prunePackages(cluster, declared.values(), dry);
  const bytes = wheels.reduce((sum, wheel) => sum + wheel.bytes, 0);
  const verb = dry ? 'would remove' : 'removed';
  const lines = wheels.map(({ name, version }) => `${verb} ${name} ${version}`);
  const counts = `${verb} ${wheels.length} packages (${mebibytes(bytes)}), ${sets.length} sets, ${resolutions.length} lists`;
  const facts = {
    dryRun: dry,
    bytes,
    packages: wheels.map(({ name, version, sha256, interpreter }) => ({ name, version, sha256, interpreter })),
    sets,
    lists: resolutions.map(({ resolution }) => resolution.requirements),
  };
  return said(call, [...lines, counts], facts);
}

function said(call: CommandCall, lines: readonly string[], facts: object): number {
  call.caller.stdout.write(call.flags.json ? `${JSON.stringify(facts)}\n` : `${lines.join('\n')}\n`);
  return EXIT.ok;
}
