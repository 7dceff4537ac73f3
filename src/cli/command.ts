/** What a command is: a module that shapes its flags and runs a call. */
import type { Command } from 'commander';
import type { Caller } from './caller.ts';
import type { Paint } from './terminal.ts';

export interface CommandCall {
  /** Flags by their camel-cased names, as commander parsed them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly args: readonly string[];
  readonly caller: Caller;
  /** For stdout. */
  readonly paint: Paint;
}

export interface CommandModule {
  /** Adds flags, arguments and examples. */
  shape(command: Command): void;
  /** What stands behind its first argument is no flag of its own, whatever it looks like. */
  readonly passesArguments?: boolean;
  /** Returns the exit code; throws Failure. */
  run(call: CommandCall): Promise<number>;
}
