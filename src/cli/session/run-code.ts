/** `session run NAME [CODE]`: one run, whose output goes where this program's own goes. */
import { resolve } from 'node:path';
import type { Gateway } from '../../client/gateway.ts';
import type { RunResult } from '../../client/result.ts';
import type { Run } from '../../client/run.ts';
import { Failure } from '../../config/failure.ts';
import { plainJson, plainText } from '../../lib/plain-text.ts';
import { type Caller, Interrupted } from '../caller.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { RunOutput } from '../shell/run-output.ts';
import { wantsColour } from '../terminal.ts';
import { sessionOf } from './said.ts';
import { readText } from './start.ts';

export async function runCode(gateway: Gateway, call: CommandCall): Promise<number> {
  const session = sessionOf(gateway, call);
  const code = await readCode(call);
  if (call.flags.json) {
    const result = await untilSignal(call.caller, session.start(code));
    call.caller.stdout.write(`${plainJson(result)}\n`);
    return exitCodeOf(result);
  }
  const output = outputFor(call);
  const run = session.start(code, { onItem: (item, display) => output.show(item, display) });
  try {
    return finished(call, await untilSignal(call.caller, run));
  } finally {
    output.finish();
  }
}

async function readCode({ args, flags, caller }: CommandCall): Promise<string> {
  const [, , code] = args;
  const file = flags.file as string | undefined;
  if (code !== undefined && file !== undefined) {
    throw new Failure('usage', 'the code is given twice: as an argument and with --file');
  }
  if (code !== undefined) return code;
  if (file !== undefined && file !== '-') return readText(resolve(caller.cwd, file));
  return readAll(caller);
}

export async function readAll({ stdin }: Caller): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('utf8');
}

export function outputFor({ caller, flags }: CommandCall): RunOutput {
  const { stdout, stderr, env } = caller;
  const dir = flags.saveMedia as string | undefined;
  const mediaDir = dir === undefined ? undefined : resolve(caller.cwd, dir);
  return new RunOutput({ stdout, stderr, mediaDir, hasColour: wantsColour(stdout, env, 'auto') });
}

/** A first signal interrupts the run, which then ends as it likes; a second one leaves it. */
export async function untilSignal(caller: Caller, run: Run): Promise<RunResult> {
  let leave: (error: Interrupted) => void = () => {};
  const left = new Promise<never>((_, reject) => {
    leave = reject;
  });
  let asked = false;
  // SIGPIPE: nobody reads what it prints any more.
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'], (signal) => {
    if (asked) leave(new Interrupted(signal));
    asked = true;
    run.interrupt().catch(() => leave(new Interrupted(signal)));
  });
  try {
    return await Promise.race([run.result, left]);
  } finally {
    unlisten();
  }
}

/** The exit code, after saying why the session is no more if that is how the run has ended. */
export function finished({ caller }: CommandCall, result: RunResult): number {
  if (wasCutShort(result))
    caller.stderr.write(`admin: the session has ended: ${plainText(result.error?.message ?? '')}\n`);
  return exitCodeOf(result);
}

/** As the interpreters themselves have it: 1 after an exception that nobody has caught. */
export function exitCodeOf(result: RunResult): number {
  const { exitCode, error, timedOut } = result;
  if (timedOut) return EXIT.timeout;
  return (exitCode === 0 && error !== undefined) || wasCutShort(result) ? EXIT.failed : exitCode;
}

/** 130 is also what a program of its own may end with. */
function wasCutShort({ error }: RunResult): boolean {
  return error?.name === 'SessionEnded' || error?.name === 'SessionRestarted';
}
