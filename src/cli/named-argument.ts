/** Arguments and flags that are names of things, and say of which, so that a shell can offer those that there are. */
import { Argument, Option } from 'commander';

export const NAMED_THINGS = ['lambda', 'version', 'session', 'secret', 'kept-call', 'async-call'] as const;
export type NamedThing = (typeof NAMED_THINGS)[number];

/** What may stand somewhere: the name of a thing, a path, or words of one's own. */
export type Nameable = NamedThing | 'file' | 'directory' | 'free';

/** What an argument names may depend on the arguments before it, of which the first is the action. */
export class NamedArgument extends Argument {
  readonly namesAfter: (before: readonly string[]) => Nameable;

  constructor(name: string, about: string, namesAfter: (before: readonly string[]) => Nameable) {
    super(name, about);
    this.namesAfter = namesAfter;
  }
}

/** The help and completion show the choices; the command itself refuses other words, in words of its own. */
export function choiceOption(flags: string, about: string, choices: readonly string[]): Option {
  const option = new Option(flags, about);
  option.argChoices = [...choices];
  return option;
}
