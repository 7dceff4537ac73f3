import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { findCluster } from '../../cluster/find.ts';
import { lambdasIn } from '../../compose/lambda-dirs.ts';
import { openRegistry } from '../../compose/registry-access.ts';
import { Failure } from '../../config/failure.ts';
import { atServer } from '../../config/parse.ts';
import type { Settings } from '../../config/settings.ts';
import type { ListedLambda, RegistryClient } from '../../registry/client.ts';
import { LAMBDA_NAME_RULE, type LambdaName, parseLambdaName } from '../../registry/source.ts';
import { actionArgument } from '../action-argument.ts';
import type { Caller } from '../caller.ts';
import { clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { NamedArgument } from '../named-argument.ts';
import { addRegistryFlags } from '../registry-flags.ts';
import { columns, mebibytes } from '../terminal.ts';

const EXAMPLES = `
Actions:
  list                     the lambdas in the registry, with the version that runs
  show NAME                one of them
  versions NAME            every version that was uploaded, the last first; * is the one that runs
  rollback NAME [VERSION]  run that version again, or the one before; its first 6 characters will do
  delete NAME              take it away; its versions stay, and a rollback brings it back

A rollback and a deletion are there with the next call, as an upload is. A registry that is a
directory has a list only, and an S3 store that is not Isla's own knows no versions.

Examples:
  admin lambdas list --cluster=my-cluster
  admin lambdas versions hello --cluster=my-cluster
  admin lambdas rollback hello --cluster=my-cluster`;

/** As many characters of a version as tell it from others, for people. */
const VERSION_CHARACTERS = 12;

interface Said {
  lines: readonly string[];
  facts: object;
}

type Action = (registry: RegistryClient, call: CommandCall) => Promise<Said>;

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['list', list],
  ['show', show],
  ['versions', versions],
  ['rollback', rollback],
  ['delete', remove],
]);

export function shape(command: Command): void {
  addRegistryFlags(command)
    .addArgument(actionArgument('<action>', ACTIONS.keys()))
    .argument('[lambda]', 'name of the lambda')
    .addArgument(
      new NamedArgument('[version]', 'rollback: the version to run', ([word]) =>
        word === 'rollback' ? 'version' : 'free',
      ),
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { args, caller, flags } = call;
  const [word = ''] = args;
  const action = ACTIONS.get(word);
  if (action === undefined) {
    throw new Failure('usage', `lambdas has the actions ${[...ACTIONS.keys()].join(', ')}; see \`admin help lambdas\``);
  }
  const most = action === list ? 1 : action === rollback ? 3 : 2;
  if (args.length > most)
    throw new Failure('usage', `lambdas ${word} takes ${['nothing', 'a name', 'a name and a version'][most - 1]}`);
  const settings = atServer(readTemplate(clusterOf(call).template), flags.address as string | undefined);
  const said = await answer(action, call, settings);
  const text = flags.json ? JSON.stringify(said.facts) : said.lines.join('\n');
  if (text !== '') caller.stdout.write(`${text}\n`);
  return EXIT.ok;
}

async function answer(action: Action, call: CommandCall, settings: Settings): Promise<Said> {
  if (action === list && settings.registry === 'local') return listDirectories(settings);
  const registry = openRegistry(settings, { flags: call.flags, env: call.caller.env });
  try {
    return await action(registry, call);
  } finally {
    registry.close();
  }
}

function listDirectories({ registry_dir }: Settings): Said {
  const lambdas = lambdasIn(registry_dir);
  return {
    lines: lambdas.length === 0 ? [`there are no lambdas in ${registry_dir}`] : lambdas,
    facts: { lambdas: lambdas.map((name) => ({ name })) },
  };
}

async function list(registry: RegistryClient): Promise<Said> {
  const lambdas = await registry.list();
  const rows = lambdas.map((one) => [one.name, ...cells(one)]);
  const lines =
    rows.length === 0 ? ['there are no lambdas'] : columns([['NAME', 'VERSION', 'SIZE', 'UPLOADED'], ...rows]);
  return { lines, facts: { lambdas } };
}

async function show(registry: RegistryClient, call: CommandCall): Promise<Said> {
  const lambda = await registry.show(nameOf(call));
  const { version = '-', size, key, uploaded } = lambda;
  const lines = columns([
    ['name', lambda.name],
    ['version', version],
    ['size', mebibytes(size)],
    ['object', key],
    ['uploaded', uploaded.toISOString()],
  ]);
  return { lines, facts: lambda };
}

async function versions(registry: RegistryClient, call: CommandCall): Promise<Said> {
  const name = nameOf(call);
  const all = await registry.versions(name);
  const rows = all.map((one) => [one.current ? '*' : ' ', ...cells({ name, ...one })]);
  return { lines: columns([[' ', 'VERSION', 'SIZE', 'UPLOADED'], ...rows]), facts: { name, versions: all } };
}

async function rollback(registry: RegistryClient, call: CommandCall): Promise<Said> {
  const now = await registry.rollback(nameOf(call), call.args[2]);
  return { lines: [`${now.name} is version ${now.version} again`], facts: now };
}

async function remove(registry: RegistryClient, call: CommandCall): Promise<Said> {
  const name = nameOf(call);
  await registry.remove(name);
  return { lines: [`${name} is deleted`], facts: { name } };
}

function cells({ version, size, uploaded }: ListedLambda): string[] {
  return [version?.slice(0, VERSION_CHARACTERS) ?? '-', mebibytes(size), uploaded.toISOString()];
}

function nameOf({ args }: CommandCall): LambdaName {
  const [word, name] = args;
  if (name === undefined) throw new Failure('usage', `lambdas ${word} needs the name of a lambda`);
  const lambda = parseLambdaName(name);
  if (lambda === undefined)
    throw new Failure('name-invalid', `${JSON.stringify(name)} is no name: ${LAMBDA_NAME_RULE}`);
  return lambda;
}

/** The versions of the lambda that stands on the line. Throws Failure. */
export async function versionNames(call: CommandCall): Promise<{ value: string; about: string }[]> {
  const settings = atServer(readTemplate(clusterOf(call).template), call.flags.address as string | undefined);
  if (settings.registry === 'local') return [];
  const registry = openRegistry(settings, { flags: call.flags, env: call.caller.env });
  try {
    const all = await registry.versions(nameOf(call));
    return all.flatMap(({ version, uploaded }) =>
      version === undefined ? [] : [{ value: version.slice(0, VERSION_CHARACTERS), about: uploaded.toISOString() }],
    );
  } finally {
    registry.close();
  }
}

/** Names of the lambdas of a cluster, as in `--cluster`. Throws Failure if there is none, or its registry can not be asked. */
export async function lambdaNames(given: string | undefined, { cwd, env }: Caller): Promise<readonly string[]> {
  const settings = readTemplate(findCluster({ given, fromEnvironment: env.ISLA_CLUSTER, cwd }).template);
  if (settings.registry === 'local') return lambdasIn(settings.registry_dir);
  const registry = openRegistry(settings, { flags: {}, env });
  try {
    return (await registry.list()).map(({ name }) => name);
  } finally {
    registry.close();
  }
}
