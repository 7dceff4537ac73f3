import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { RunResult } from '../../client/result.ts';
import type { Session } from '../../client/session.ts';
import { Failure } from '../../config/failure.ts';
import { errnoWords } from '../../lib/errno.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import type { Caller } from '../caller.ts';
import type { CommandCall } from '../command.ts';
import { addGatewayFlags, asking, GATEWAY_HELP, gatewayOf } from '../gateway-access.ts';
import { type ProgramKind, programKind } from '../session/program-kind.ts';
import { finished, outputFor, readAll, untilSignal } from '../session/run-code.ts';
import { addStartFlags, startOptions } from '../session/start.ts';

const HELP = `
Runs the file as a program in a session of its own, of which nothing is left. The language is
that of the name's ending, or --language. What the program prints comes as it prints it; standard
input goes to it, line by line from a terminal, else as a whole; its exit code is this command's.
Whatever stands behind the file is the program's, dashes and all: flags of this command stand
before it. Ctrl-D ends the program's input.
${GATEWAY_HELP}

Examples:
  admin run script.py
  admin run sort.c < numbers.txt
  admin run --requirements=requirements.txt analyse.py 2026 --verbose`;

/** Where piped input lies; no name of a program's own file. */
const INPUT_FILE = '.isla-stdin';

/** What stands behind the first argument is the program's. */
export const passesArguments = true;

export function shape(command: Command): void {
  addStartFlags(addGatewayFlags(command).argument('<file>', 'the program').argument('[arguments...]', 'its arguments'))
    .option('--save-media <dir>', 'put pictures and pages that are displayed there')
    .addHelpText('after', HELP);
}

export async function run(call: CommandCall): Promise<number> {
  const { args, flags, caller } = call;
  const [path = '', ...rest] = args;
  const kind = programKind(path, flags.language as string | undefined);
  const bytes = readProgram(resolve(caller.cwd, path));
  const gateway = gatewayOf(call);
  return asking(call, async () => {
    // That nobody reads any more ends the run, but not this program before the session has gone.
    const unlisten = caller.onSignal(['SIGPIPE'], () => {});
    const session = await gateway.create(kind.language, startOptions(call));
    try {
      const file = kind.file ?? basename(path);
      await session.files.write(file, bytes);
      const command = [...kind.command(file), ...rest].map(shellQuote).join(' ');
      return finished(call, await runProgram(session, call, { kind, command }));
    } finally {
      await session.destroy();
      unlisten();
    }
  });
}

async function runProgram(
  session: Session,
  call: CommandCall,
  { kind, command }: { kind: ProgramKind; command: string },
): Promise<RunResult> {
  const { caller } = call;
  const isTyped = caller.stdin.isTTY === true;
  if (!isTyped) await session.files.write(INPUT_FILE, await readAll(caller));
  const output = outputFor(call);
  const lines = isTyped ? new TypedLines(caller) : undefined;
  const program = session.batch(
    { build: kind.build, exec: isTyped ? command : `${command} < ${INPUT_FILE}` },
    {
      onItem: (item, display) => output.show(item, display),
      ...(lines && { onInput: () => lines.next() }),
    },
  );
  try {
    return await untilSignal(caller, program);
  } finally {
    lines?.close();
    output.finish();
  }
}

/** What is typed while the program asks for it; the terminal itself edits and shows the lines. */
class TypedLines {
  readonly #lines: AsyncIterator<string>;
  readonly #reader: ReturnType<typeof createInterface>;

  constructor({ stdin }: Caller) {
    this.#reader = createInterface({ input: stdin, terminal: false });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Null at the end: ctrl-D. */
  async next(): Promise<string | null> {
    const { value, done } = await this.#lines.next();
    return done ? null : value;
  }

  close(): void {
    this.#reader.close();
  }
}

function readProgram(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Failure('usage', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
}
