/** What is done to sessions as a whole. */
import type { Gateway } from '../../client/gateway.ts';
import { Failure } from '../../config/failure.ts';
import type { CommandCall } from '../command.ts';
import { type Said, sessionOf } from './said.ts';

/** `session rm NAME...`, or all of this key. */
export async function remove(gateway: Gateway, { args, flags }: CommandCall): Promise<Said> {
  const [, ...named] = args;
  if ((named.length === 0) === (flags.all !== true)) {
    throw new Failure('usage', 'session rm takes names of sessions, or --all for those of this key');
  }
  const names = flags.all ? (await gateway.sessions()).map(({ name }) => name) : named;
  for (const name of names) await gateway.session(name).destroy();
  return { lines: names.map((name) => `${name} is gone`), facts: { removed: names } };
}

/** `session fork NAME [NEW]`. */
export async function fork(gateway: Gateway, call: CommandCall): Promise<Said> {
  const { name } = await sessionOf(gateway, call).fork(call.args[2]);
  return { lines: [name], facts: { name, forkOf: call.args[1] } };
}

export async function rewind(gateway: Gateway, call: CommandCall): Promise<Said> {
  const session = sessionOf(gateway, call);
  await session.rewind();
  return { lines: [`${session.name} is as it was before its last run`], facts: { name: session.name } };
}

export async function restart(gateway: Gateway, call: CommandCall): Promise<Said> {
  const session = sessionOf(gateway, call);
  await session.restart();
  return { lines: [`${session.name} has a fresh interpreter`], facts: { name: session.name } };
}

export async function interrupt(gateway: Gateway, call: CommandCall): Promise<Said> {
  const session = sessionOf(gateway, call);
  await session.interrupt();
  return { lines: [`${session.name} was interrupted`], facts: { name: session.name } };
}
