import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { SECRET_NAME_RULE, SecretStore } from '../../cluster/secret-store.ts';
import { isLambda } from '../../compose/lambda-dirs.ts';
import { Failure } from '../../config/failure.ts';
import { SECRET_BYTES_MAX } from '../../config/limits.ts';
import type { Settings } from '../../config/settings.ts';
import { errnoWords } from '../../lib/errno.ts';
import { actionArgument } from '../action-argument.ts';
import type { Caller } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { NamedArgument } from '../named-argument.ts';
import { columns } from '../terminal.ts';

const EXAMPLES = `
Actions:
  set NAME                  keep a value, read from standard input or from --file
  list                      names, who may read them and when they changed; never values
  rm NAME                   remove a secret and every grant of it
  grant NAME --lambda L     let a lambda read it
  revoke NAME --lambda L    let it read it no longer

A lambda finds the secrets it was granted as files below /run/secrets, and only those. A change is
there with the next call; instances that hold the old state end, after the call they are running.
A name is ${SECRET_NAME_RULE}; a value has at most ${SECRET_BYTES_MAX} bytes.

Examples:
  printf %s "$KEY" | admin secrets set api-key --cluster=my-cluster
  admin secrets set cert.pem --file cert.pem --cluster=my-cluster
  admin secrets grant api-key --lambda hello --cluster=my-cluster
  admin secrets list --cluster=my-cluster`;

const NEWLINE = 0x0a;

/** What an action says: words for people, facts for programs. */
interface Said {
  lines: readonly string[];
  facts: object;
}

type Action = (store: SecretStore, call: CommandCall, settings: Settings) => Said | Promise<Said>;

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['set', set],
  ['list', list],
  ['rm', remove],
  ['grant', grant],
  ['revoke', revoke],
]);

export function shape(command: Command): void {
  addClusterFlag(command)
    .addArgument(actionArgument('<action>', ACTIONS.keys()))
    .addArgument(new NamedArgument('[name]', 'name of the secret', ([word]) => (word === 'list' ? 'free' : 'secret')))
    // Taken here and refused below: commander would say the value that somebody wrote there.
    .argument('[none...]', 'nothing more: a value is never written here')
    .option('--file <path>', 'set: read the value from this file')
    .option('--lambda <name>', 'grant, revoke: which lambda')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export function secretNames(call: CommandCall): string[] {
  const { secrets_dir } = readTemplate(clusterOf(call).template);
  return new SecretStore(secrets_dir).list().map(({ name }) => name);
}

export async function run(call: CommandCall): Promise<number> {
  const [word = '', , ...more] = call.args;
  const action = ACTIONS.get(word);
  if (action === undefined) {
    throw new Failure('usage', `secrets has the actions ${[...ACTIONS.keys()].join(', ')}; see \`admin help secrets\``);
  }
  if (more.length > 0 || (action === list && call.args.length > 1)) {
    throw new Failure(
      'usage',
      word === 'set'
        ? 'a value is read from standard input or --file, never from the command line: every user of a machine can read those'
        : `secrets ${word} takes ${action === list ? 'no name' : 'one name'}`,
    );
  }
  const wantsLambda = action === grant || action === revoke;
  if ((call.flags.lambda !== undefined) !== wantsLambda) {
    throw new Failure('usage', wantsLambda ? `secrets ${word} needs --lambda` : `secrets ${word} takes no --lambda`);
  }
  if (call.flags.file !== undefined && action !== set) throw new Failure('usage', `secrets ${word} takes no --file`);
  const settings = readTemplate(clusterOf(call).template);
  const { lines, facts } = await action(new SecretStore(settings.secrets_dir), call, settings);
  const text = call.flags.json ? JSON.stringify(facts) : lines.join('\n');
  if (text !== '') call.caller.stdout.write(`${text}\n`);
  return EXIT.ok;
}

async function set(store: SecretStore, call: CommandCall): Promise<Said> {
  const name = nameOf(call);
  const value = await readValue(call);
  store.set(name, value);
  const newline = value.at(-1) === NEWLINE;
  const lines = [`${name} is kept (${value.length} bytes)`];
  if (newline) lines.push('its last byte is a newline, which is kept too; `printf %s` writes none');
  return { lines, facts: { name, bytes: value.length, endsWithNewline: newline } };
}

function list(store: SecretStore): Said {
  const secrets = store.list();
  const rows = secrets.map(({ name, grants, changed }) => [name, changed.toISOString(), grants.join(', ') || '-']);
  return {
    lines: rows.length === 0 ? ['there are no secrets'] : columns([['NAME', 'CHANGED', 'LAMBDAS'], ...rows]),
    facts: { secrets },
  };
}

function remove(store: SecretStore, call: CommandCall): Said {
  const name = nameOf(call);
  const revoked = store.remove(name);
  const whose = revoked.length === 0 ? '' : `; it was granted to ${revoked.join(', ')}`;
  return { lines: [`${name} is removed${whose}`], facts: { name, revoked } };
}

function grant(store: SecretStore, call: CommandCall, { registry, registry_dir }: Settings): Said {
  const [name, lambda] = [nameOf(call), call.flags.lambda as string];
  const changed = store.grant({ lambda, secret: name });
  // It may come later; it may be a typing error as well.
  if (registry === 'local' && !isLambda(registry_dir, lambda))
    call.caller.stderr.write(`there is no lambda ${lambda} yet\n`);
  const line = changed ? `${lambda} finds ${name} at /run/secrets/${name}` : `${lambda} could read ${name} already`;
  return { lines: [line], facts: { name, lambda, changed } };
}

function revoke(store: SecretStore, call: CommandCall): Said {
  const [name, lambda] = [nameOf(call), call.flags.lambda as string];
  const changed = store.revoke({ lambda, secret: name });
  const line = changed ? `${lambda} can read ${name} no longer` : `${lambda} could not read ${name}`;
  return { lines: [line], facts: { name, lambda, changed } };
}

function nameOf({ args }: CommandCall): string {
  const [word, name] = args;
  if (name === undefined) throw new Failure('usage', `secrets ${word} needs the name of a secret`);
  return name;
}

async function readValue({ flags, caller }: CommandCall): Promise<Buffer> {
  if (flags.file === undefined) {
    if (caller.stdin.isTTY) caller.stderr.write('type the value, which is shown, and end it with ctrl-D\n');
    return readAll(caller.stdin);
  }
  const path = resolve(caller.cwd, flags.file as string);
  try {
    return await readAll(createReadStream(path));
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('usage', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}

/** Stops at the first byte too many, whatever is behind the stream. */
async function readAll(stream: Caller['stdin']): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of stream) {
    pieces.push(Buffer.from(piece));
    bytes += piece.length;
    if (bytes > SECRET_BYTES_MAX) {
      throw new Failure('usage', `the value has more than ${SECRET_BYTES_MAX} bytes; nothing was stored`);
    }
  }
  return Buffer.concat(pieces);
}
