import { Argument } from 'commander';

/**
 * The word that says which of its things a command does. Help and completion show the choices; the command itself
 * refuses other words, by its name.
 */
export function actionArgument(
  name: '<action>' | '[action]',
  actions: Iterable<string>,
  about = 'what to do',
): Argument {
  const argument = new Argument(name, about);
  argument.argChoices = [...actions];
  return argument;
}
