/** Flags of whatever makes a session, and what they ask for. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { SessionOptions } from '../../client/creation.ts';
import type { Gateway } from '../../client/gateway.ts';
import { Failure } from '../../config/failure.ts';
import { NETWORKS } from '../../config/settings.ts';
import { errnoWords } from '../../lib/errno.ts';
import type { CommandCall } from '../command.ts';
import { choiceOption } from '../named-argument.ts';
import { wholeNumber } from '../whole-number.ts';
import type { Said } from './said.ts';

/** `language` is the one that is meant if none is said; none if that is found otherwise. */
export function addStartFlags(command: Command, language?: string): Command {
  const seconds = wholeNumber('0 seconds or more', () => true);
  return command
    .option('--language <language>', 'such as python, nodejs, bash or c', language)
    .option('--requirements <file>', 'Python packages that it is to have, as in a requirements.txt')
    .option('--env <name=value>', 'a variable of its environment; may be given often', addTo, [])
    .option(
      '--memory <mb>',
      'memory that it may use, in MiB',
      wholeNumber('1 or more', (mb) => mb >= 1),
    )
    .addOption(choiceOption('--network <network>', 'as in lambda.json', NETWORKS))
    .option('--idle-timeout <seconds>', 'how long it may be unused', seconds)
    .option('--lifetime <seconds>', 'how long it may live', seconds)
    .option('--rewindable', 'keep what was before each run, for rewind');
}

function addTo(value: string, before: string[]): string[] {
  return [...before, value];
}

/** Throws Failure `usage`. */
export function startOptions({ flags, caller }: CommandCall): SessionOptions {
  const { requirements, idleTimeout, lifetime, memory, network } = flags as Flags;
  return {
    env: Object.fromEntries((flags.env as string[]).map(variable)),
    network,
    limits: { memoryMb: memory },
    rewindable: flags.rewindable === true,
    requirements: requirements === undefined ? undefined : readText(resolve(caller.cwd, requirements)),
    idleTimeoutMs: idleTimeout === undefined ? undefined : idleTimeout * 1_000,
    lifetimeMs: lifetime === undefined ? undefined : lifetime * 1_000,
  };
}

interface Flags {
  requirements?: string;
  memory?: number;
  network?: string;
  idleTimeout?: number;
  lifetime?: number;
}

function variable(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new Failure('usage', `--env is NAME=VALUE, not ${JSON.stringify(text)}`);
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure('usage', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}

/** `session start [NAME]`. */
export async function start(gateway: Gateway, call: CommandCall): Promise<Said> {
  const language = call.flags.language as string;
  const session = await gateway.create(language, { ...startOptions(call), name: call.args[1], exclusive: true });
  return { lines: [session.name], facts: { name: session.name, language } };
}
