/** What an action of `admin session` has to say. */
import type { Gateway } from '../../client/gateway.ts';
import type { Session } from '../../client/session.ts';
import { Failure } from '../../config/failure.ts';
import type { CommandCall } from '../command.ts';

export interface Said {
  /** For people. */
  lines: readonly string[];
  /** For `--json`. */
  facts: object;
}

/** Resolves to what is to be said, or to the exit code of what has said it already. */
export type Action = (gateway: Gateway, call: CommandCall) => Promise<Said | number>;

/** The session that the action's first argument names. Throws Failure `usage`. */
export function sessionOf(gateway: Gateway, { args }: CommandCall): Session {
  const [word, name] = args;
  if (name !== undefined) return gateway.session(name);
  throw new Failure('usage', `session ${word} needs the name of a session; \`admin session ls\` lists them`);
}
