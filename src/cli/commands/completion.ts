import { Argument, type Command } from 'commander';
import type { CommandCall } from '../command.ts';
import { COMPLETION_SCRIPTS } from '../completion-scripts.ts';
import { EXIT } from '../exit-codes.ts';

const EXAMPLES = `
With it tab completes commands, flags, what they take, and the names of what there is: lambdas and
their versions, sessions, secrets, calls. The script asks the program that stands on the command
line, so it need not be made again after an update.

Examples:
  source <(admin completion bash)                    # in ~/.bashrc
  source <(admin completion zsh)                     # in ~/.zshrc, after compinit
  admin completion fish | source                     # in ~/.config/fish/config.fish`;

export function shape(command: Command): void {
  command
    .addArgument(new Argument('<shell>', 'whose').choices([...COMPLETION_SCRIPTS.keys()]))
    .addHelpText('after', EXAMPLES);
}

export async function run({ args, caller }: CommandCall): Promise<number> {
  caller.stdout.write(COMPLETION_SCRIPTS.get(args[0] as string) as string);
  return EXIT.ok;
}
