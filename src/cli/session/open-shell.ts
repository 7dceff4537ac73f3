/** `session shell [NAME]`: on a terminal a shell, else what standard input says is run. */
import type { Gateway } from '../../client/gateway.ts';
import { ProblemError } from '../../client/problem.ts';
import type { Session } from '../../client/session.ts';
import { plainText } from '../../lib/plain-text.ts';
import { Interrupted } from '../caller.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { HistoryFile } from '../shell/history-file.ts';
import { Shell } from '../shell/shell.ts';
import { exitCodeOf, outputFor, readAll, untilSignal } from './run-code.ts';
import { startOptions } from './start.ts';

/** Without a name it has a session of its own, which goes with it. */
export async function openShell(gateway: Gateway, call: CommandCall): Promise<number> {
  const { args, flags, caller } = call;
  const name = args[1];
  const session =
    name === undefined ? await gateway.create(flags.language as string, startOptions(call)) : gateway.session(name);
  const isTyped = caller.stdin.isTTY === true && caller.stdout.isTTY === true;
  const isKept = name !== undefined || flags.keep === true;
  try {
    return await (isTyped ? shell(session, call) : runInput(session, call));
  } finally {
    const isThere = isKept ? await goesOn(session) : !(await ended(session));
    const say = (words: string) => caller.stderr.write(`session ${session.name} ${words}\n`);
    if (isThere && (isTyped || name === undefined)) say(`goes on; \`admin session rm ${session.name}\` ends it`);
    if (!isThere && isTyped) say('is gone');
  }
}

/** Nobody knows of one whose gateway does not answer: it goes on if it has not ended. */
async function goesOn(session: Session): Promise<boolean> {
  try {
    await session.info();
    return true;
  } catch (error) {
    return !(error instanceof ProblemError && error.status === 404);
  }
}

/** It may have ended by itself. */
async function ended(session: Session): Promise<true> {
  try {
    await session.destroy();
  } catch (error) {
    if (!(error instanceof ProblemError && error.status === 404)) throw error;
  }
  return true;
}

async function runInput(session: Session, call: CommandCall): Promise<number> {
  const output = outputFor(call);
  const run = session.start(await readAll(call.caller), { onItem: (item, display) => output.show(item, display) });
  try {
    return exitCodeOf(await untilSignal(call.caller, run));
  } finally {
    output.finish();
  }
}

async function shell(session: Session, call: CommandCall): Promise<number> {
  const { caller, paint } = call;
  const { language } = await session.info();
  const history = new HistoryFile(caller.env, language);
  const shown = new Shell({ caller, paint, session, language, history: history.read(), output: outputFor(call) });
  let ended: NodeJS.Signals | undefined;
  const unlisten = caller.onSignal(['SIGTERM', 'SIGHUP'], (signal) => {
    ended = signal;
    shown.leave();
  });
  caller.stdout.write(`${paint('dim', `${plainText(language)}, session ${session.name}; ctrl-D leaves`)}\n`);
  try {
    history.write(await shown.run());
  } finally {
    unlisten();
  }
  if (ended !== undefined) throw new Interrupted(ended);
  return EXIT.ok;
}
