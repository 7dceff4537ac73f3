/** What may stand at the end of a command line: commands, their flags, what those take, and names of what there is. */
import { Command, type Option } from 'commander';
import { plainText } from '../lib/plain-text.ts';
import { CATALOGUE } from './catalogue.ts';
import { type Candidate, plain } from './completion-names.ts';
import { type Nameable, NamedArgument, type NamedThing } from './named-argument.ts';

export interface Completion {
  words: readonly Candidate[];
  /** What else may stand there. */
  paths: 'files' | 'directories' | 'none';
}

export interface CompletionSources {
  /** `admin` with the flags that stand before any command. */
  root: Command;
  /** Names of what there is where the command line looks for it. */
  names(thing: NamedThing, line: Line): Promise<readonly Candidate[]>;
}

/** What stands on the line before the word to complete. */
export interface Line {
  /** By their camel-cased names; of those with a value that is the text, as it stands there. */
  flags: Readonly<Record<string, unknown>>;
  /** Of the command. */
  args: readonly string[];
}

/**
 * `words` are what follows `admin`, as the shell took them apart; the last one, which may be empty, is the one to complete.
 * Flags are completed as `--flag`, with `--flag=value` in one word.
 */
export async function complete(words: readonly string[], sources: CompletionSources): Promise<Completion> {
  const read = await readBefore(words.slice(0, -1), sources.root);
  const current = words.at(-1) ?? '';
  const whole = await candidates(current, read, sources);
  return { ...whole, words: whole.words.filter(({ value }) => value.startsWith(current)) };
}

/** As completion-scripts.ts reads it. A name that is not one plain word is not offered: who calls something so means no good. */
export function completionText({ words, paths }: Completion): string {
  const offered = words.filter(({ value }) => value !== '' && plainText(value) === value && !value.includes('\t'));
  const lines = offered.map(({ value, about }) => `${value}\t${plainText(about)}`);
  return `${[...lines, `:${paths}`].join('\n')}\n`;
}

/** What the words before the last one mean. */
interface Read {
  command: Command | undefined;
  options: readonly Option[];
  /** The flag whose value comes next. */
  awaited: Option | undefined;
  args: string[];
  flags: Record<string, unknown>;
  /** After `--` nothing is a flag. */
  literal: boolean;
  /** Nor is anything behind the command's first argument. */
  passesArguments: boolean;
}

async function readBefore(words: readonly string[], root: Command): Promise<Read> {
  const read: Read = {
    command: undefined,
    options: root.options,
    awaited: undefined,
    args: [],
    flags: {},
    literal: false,
    passesArguments: false,
  };
  for (const word of words) {
    if (read.awaited !== undefined) {
      read.flags[read.awaited.attributeName()] = word;
      read.awaited = undefined;
    } else if (word === '--') read.literal = true;
    else if (word.startsWith('-') && !read.literal) readFlag(word, read);
    else if (read.command === undefined) await readCommand(word, read, root);
    else {
      read.args.push(word);
      read.literal ||= read.passesArguments;
    }
  }
  return read;
}

function readFlag(word: string, read: Read): void {
  const { name, value } = flagParts(word);
  const option = optionNamed(name, read.options);
  if (option === undefined) return;
  if (takesValue(option) && value === undefined) read.awaited = option;
  else read.flags[option.attributeName()] = value ?? true;
}

async function readCommand(word: string, read: Read, root: Command): Promise<void> {
  const entry = CATALOGUE.find(({ name }) => name === word);
  const command = new Command(word);
  const module = await entry?.load();
  module?.shape(command);
  read.passesArguments = module?.passesArguments === true;
  read.command = command;
  read.options = [...root.options, ...command.options];
}

async function candidates(current: string, read: Read, sources: CompletionSources): Promise<Completion> {
  if (read.awaited !== undefined) return valuesOf(read.awaited, '', read, sources);
  if (current.startsWith('-') && !read.literal) {
    const { name, value } = flagParts(current);
    const option = optionNamed(name, read.options);
    if (value !== undefined && option !== undefined) return valuesOf(option, `${name}=`, read, sources);
    return { words: flags(read.options), paths: 'none' };
  }
  if (read.command === undefined) return { words: commands(), paths: 'none' };
  if (read.command.name() === 'help' && read.args.length === 0) return { words: commands(), paths: 'none' };
  return argumentValues(read, sources);
}

function commands(): Candidate[] {
  const all = CATALOGUE.map(({ name, about }) => ({ value: name, about }));
  return [...all, { value: 'help', about: 'help for a command' }];
}

function flags(options: readonly Option[]): Candidate[] {
  const shown = options.filter(({ hidden }) => !hidden);
  const long = shown.flatMap((option) => (option.long ? [{ value: option.long, about: option.description }] : []));
  return [...long, { value: '--help', about: 'show help' }];
}

/** The values of a flag, each behind `before`. */
async function valuesOf(option: Option, before: string, read: Read, sources: CompletionSources): Promise<Completion> {
  if (option.argChoices !== undefined) return { words: behind(before, plain(option.argChoices)), paths: 'none' };
  return named(nameableOf(option), before, read, sources);
}

async function argumentValues(read: Read, sources: CompletionSources): Promise<Completion> {
  const declared = read.command?.registeredArguments ?? [];
  const last = declared.at(-1);
  const argument = declared[read.args.length] ?? (last?.variadic ? last : undefined);
  if (argument === undefined) return { words: [], paths: 'none' };
  if (argument.argChoices !== undefined) return { words: plain(argument.argChoices), paths: 'none' };
  const what = argument instanceof NamedArgument ? argument.namesAfter(read.args) : NAMEABLE.get(argument.name());
  return named(what ?? 'free', '', read, sources);
}

/** What a flag's value names. */
export function nameableOf(option: Option): Nameable {
  if (option.long === '--lambda' || option.long === '--handler') return 'lambda';
  return NAMEABLE.get(/[<[]([\w-]+)/.exec(option.flags)?.[1] ?? '') ?? 'free';
}

/** By what the help calls a value. */
export const NAMEABLE: ReadonlyMap<string, Nameable> = new Map<string, Nameable>([
  ['lambda', 'lambda'],
  ['file', 'file'],
  ['path', 'file'],
  ['dir', 'directory'],
]);

/** Each name behind `before`. */
async function named(what: Nameable, before: string, read: Read, sources: CompletionSources): Promise<Completion> {
  switch (what) {
    case 'file':
      return { words: [], paths: 'files' };
    case 'directory':
      return { words: [], paths: 'directories' };
    case 'free':
      return { words: [], paths: 'none' };
    default:
      return { words: behind(before, await sources.names(what, read)), paths: 'none' };
  }
}

function behind(before: string, words: readonly Candidate[]): Candidate[] {
  return words.map(({ value, about }) => ({ value: `${before}${value}`, about }));
}

/** `-flag` is `--flag`, as everywhere. */
function flagParts(word: string): { name: string; value: string | undefined } {
  const at = word.indexOf('=');
  return at === -1 ? { name: word, value: undefined } : { name: word.slice(0, at), value: word.slice(at + 1) };
}

function optionNamed(name: string, options: readonly Option[]): Option | undefined {
  const bare = name.replace(/^--?/, '');
  return options.find(({ long, short }) => long === `--${bare}` || short === `-${bare}`);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}
