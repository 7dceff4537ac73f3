/** The names that completion offers, out of the cluster or the gateway that the command line is about. */
import { ProblemError } from '../client/problem.ts';
import { Failure } from '../config/failure.ts';
import { assertNever } from '../lib/assert-never.ts';
import { within } from '../lib/within.ts';
import type { CommandCall } from './command.ts';
import type { NamedThing } from './named-argument.ts';

/** Whoever presses tab waits that long for what does not answer, in milliseconds. */
const PATIENCE_MS = 5_000;

export interface Candidate {
  value: string;
  about: string;
}

/**
 * Where there is no cluster, or its registry or its gateway does not answer, nothing is offered: whoever presses tab is
 * not to read why. `call` has the flags that stand on the line, as text, and its arguments so far.
 */
export async function namesOf(thing: NamedThing, call: CommandCall): Promise<readonly Candidate[]> {
  try {
    return await within(PATIENCE_MS, ask(thing, call), () => []);
  } catch (error) {
    if (error instanceof Failure || error instanceof ProblemError) return [];
    throw error;
  }
}

/** Each command knows its own things, and brings what it needs to find them. */
async function ask(thing: NamedThing, call: CommandCall): Promise<readonly Candidate[]> {
  switch (thing) {
    case 'lambda':
      return plain(await (await import('./commands/lambdas.ts')).lambdaNames(clusterFlag(call), call.caller));
    case 'version':
      return (await import('./commands/lambdas.ts')).versionNames(call);
    case 'session':
      return (await import('./commands/session.ts')).sessionNames(call);
    case 'secret':
      return plain((await import('./commands/secrets.ts')).secretNames(call));
    case 'kept-call':
      return (await import('./commands/calls.ts')).keptCallIds(call);
    case 'async-call':
      return (await import('./commands/async.ts')).asyncCallIds(call);
    default:
      return assertNever(thing);
  }
}

function clusterFlag({ flags }: CommandCall): string | undefined {
  return flags.cluster as string | undefined;
}

export function plain(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value, about: '' }));
}
