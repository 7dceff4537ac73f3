import { type Command, CommanderError } from 'commander';
import { Failure } from '../config/failure.ts';
import { nearest } from '../lib/edit-distance.ts';
import { type Caller, Interrupted } from './caller.ts';
import { CATALOGUE, type CatalogueEntry, LATER } from './catalogue.ts';
import type { CommandModule } from './command.ts';
import { type CompletionSources, complete, completionText } from './completion.ts';
import { ASK_COMPLETION } from './completion-scripts.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { type GoFlag, rewriteGoFlags } from './go-flags.ts';
import { ROOT_EXAMPLES, rootCommand } from './root-command.ts';
import { type ColourWish, painter } from './terminal.ts';

const HELP: GoFlag = { long: 'help', short: 'h', takesValue: false };

/** Runs one command line (without Node and script) and returns the exit code. Never rejects. */
export async function runProgram(argv: readonly string[], caller: Caller): Promise<number> {
  try {
    return await runCommandLine(argv, caller);
  } catch (error) {
    return report(error, { caller, debug: wantsDebug(argv, caller) });
  }
}

async function runCommandLine(argv: readonly string[], caller: Caller): Promise<number> {
  const program = rootCommand(caller);
  if (argv[0] === ASK_COMPLETION) return answerCompletion(argv.slice(1), program, caller);
  const { word, rest } = splitCommand(argv, flagsOf(program));
  if (word !== undefined && LATER.includes(word)) throw notInThisVersion(word);
  // `admin help X` is about X, too.
  const meant = word === 'help' ? splitCommand(rest, []).word : word;
  if (word === 'help' && meant !== undefined) refuseUnknown(meant);
  let exitCode: number = EXIT.ok;
  let flags = flagsOf(program);
  let passesArguments = false;
  for (const entry of CATALOGUE) {
    const command = program.command(entry.name).description(entry.about);
    if (entry.name !== meant) continue;
    const module = await loaded(entry);
    module.shape(command);
    passesArguments = module.passesArguments === true && word !== 'help';
    flags = [...flags, ...flagsOf(command)];
    command.action(async () => {
      const paint = painter(caller.stdout, caller.env, program.opts<{ color: ColourWish }>().color);
      exitCode = await module.run({ flags: command.opts(), args: command.args, caller, paint });
    });
  }
  if (argv.length === 0) {
    caller.stderr.write(`${program.helpInformation()}\n${ROOT_EXAMPLES}\n`);
    return EXIT.usage;
  }
  const args = rewriteGoFlags(rest, flags, passesArguments);
  await program.parseAsync(word === undefined ? args : [word, ...args], { from: 'user' });
  return exitCode;
}

async function answerCompletion(words: readonly string[], root: Command, caller: Caller): Promise<number> {
  const paint = painter(caller.stdout, caller.env, 'never');
  const names: CompletionSources['names'] = async (thing, { flags, args }) => {
    const { namesOf } = await import('./completion-names.ts');
    return namesOf(thing, { flags, args, caller, paint });
  };
  caller.stdout.write(completionText(await complete(words, { root, names })));
  return EXIT.ok;
}

/** Commander answers `help` for a command that it does not know with its whole help, as an error. */
function refuseUnknown(name: string): void {
  if (LATER.includes(name)) throw notInThisVersion(name);
  const names = [...CATALOGUE.map((entry) => entry.name), 'help'];
  if (names.includes(name)) return;
  const guess = nearest(name, names);
  const hint = guess === undefined ? '; see `admin --help`' : `; did you mean ${guess}?`;
  throw new Failure('usage', `unknown command '${name}'${hint}`);
}

function notInThisVersion(name: string): Failure {
  return new Failure('usage', `\`${name}\` is not in this version; \`admin --help\` lists what is`);
}

function loaded(entry: CatalogueEntry): Promise<CommandModule> {
  return entry.load();
}

/** The command's name wherever it stands, and the other arguments in their order. */
function splitCommand(argv: readonly string[], flags: readonly GoFlag[]): { word: string | undefined; rest: string[] } {
  const known = [...flags, { long: 'cluster', takesValue: true }];
  for (let at = 0; at < argv.length; at += 1) {
    const arg = argv[at] as string;
    if (arg === '--') break;
    if (!arg.startsWith('-')) return { word: arg, rest: [...argv.slice(0, at), ...argv.slice(at + 1)] };
    const takesNext = known.some((flag) => flag.takesValue && arg.replace(/^--?/, '') === flag.long);
    if (takesNext) at += 1;
  }
  return { word: undefined, rest: [...argv] };
}

function flagsOf(command: Command): GoFlag[] {
  const flags = command.options.map((option) => ({
    long: option.long?.replace(/^--/, '') ?? '',
    short: option.short?.replace(/^-/, ''),
    takesValue: option.required || option.optional,
  }));
  return [...flags, HELP];
}

function report(error: unknown, { caller, debug }: { caller: Caller; debug: boolean }): number {
  if (error instanceof CommanderError) return reportUsage(error, caller);
  const paint = painter(caller.stderr, caller.env, 'auto');
  const say = (line: string) => caller.stderr.write(`${line}\n`);
  if (error instanceof Interrupted) return error.signal === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
  if (error instanceof Failure) {
    say(`${paint('red', 'admin:')} ${error.message}`);
    for (const problem of error.problems) say(`  ${problem}`);
    if (debug) say(stackOf(error));
    return exitCodeOf(error.code);
  }
  const message = error instanceof Error ? error.message : String(error);
  say(`${paint('red', 'admin:')} unexpected: ${message}; \`--debug\` shows where`);
  if (debug) say(stackOf(error));
  return EXIT.failed;
}

/** Commander has said its help or version on stdout already; its errors become one line. */
function reportUsage(error: CommanderError, caller: Caller): number {
  if (error.exitCode === 0) return EXIT.ok;
  const paint = painter(caller.stderr, caller.env, 'auto');
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/s, '; did you mean $1?')
    .replace(/[.\n]+$/, '');
  const more = message.endsWith('?') ? '' : '; see `admin --help` or `admin help COMMAND`';
  caller.stderr.write(`${paint('red', 'admin:')} ${message}${more}\n`);
  return EXIT.usage;
}

function wantsDebug(argv: readonly string[], caller: Caller): boolean {
  return Boolean(caller.env.ISLA_DEBUG) || argv.some((arg) => arg === '--debug' || arg === '-debug');
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
