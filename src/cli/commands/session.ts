import type { Command } from 'commander';
import { Failure } from '../../config/failure.ts';
import { plainJson } from '../../lib/plain-text.ts';
import { actionArgument } from '../action-argument.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { addGatewayFlags, asking, GATEWAY_HELP, gatewayOf } from '../gateway-access.ts';
import { type Nameable, NamedArgument } from '../named-argument.ts';
import { fork, interrupt, remove, restart, rewind } from '../session/change.ts';
import { files, info, list, logs } from '../session/look.ts';
import { openShell } from '../session/open-shell.ts';
import { runCode } from '../session/run-code.ts';
import type { Action } from '../session/said.ts';
import { addStartFlags, start } from '../session/start.ts';
import { download, upload } from '../session/transfer.ts';

const HELP = `
Actions:
  start [NAME]              make a session, of --language, and print its name
  run NAME [CODE]           run code in it: the argument, --file, or standard input
  shell [NAME]              type into it; without a name into one of its own, which goes with the shell
  ls                        sessions of this key
  info NAME                 one of them: what it runs, how long it may live
  logs NAME                 what its console has said; for a while of one that has ended, too
  files NAME [PATH]         its files
  upload NAME FILE...       put files or directories into it, below --to
  download NAME PATH...     fetch files or directories, into --to
  fork NAME [NEW]           a second session with the same state, which goes on by itself (Python)
  rewind NAME               back to before its last run, of one that was started --rewindable
  restart NAME              a fresh interpreter with the same files
  interrupt NAME            ctrl-C for what runs
  rm NAME...                end them; --all ends those of this key

In a shell, ctrl-C interrupts what runs, tab completes, ctrl-D leaves; input that is not from a
terminal is run as one cell. run and shell end with the exit code of what ran, and with 1 if it
raised.
${GATEWAY_HELP}

Examples:
  admin session shell --cluster=my-cluster
  admin session start work --language=python --requirements=requirements.txt
  admin session run work 'x = 6 * 7; x'
  admin session upload work data/ --to=input
  admin session fork work trial
  admin session rm work trial`;

interface Known {
  run: Action;
  /** Arguments behind the action's name, at most. */
  most: number;
}

const ACTIONS: ReadonlyMap<string, Known> = new Map<string, Known>([
  ['start', { run: start, most: 1 }],
  ['run', { run: runCode, most: 2 }],
  ['shell', { run: openShell, most: 1 }],
  ['ls', { run: list, most: 0 }],
  ['info', { run: info, most: 1 }],
  ['logs', { run: logs, most: 1 }],
  ['files', { run: files, most: 2 }],
  ['upload', { run: upload, most: Number.POSITIVE_INFINITY }],
  ['download', { run: download, most: Number.POSITIVE_INFINITY }],
  ['fork', { run: fork, most: 2 }],
  ['rewind', { run: rewind, most: 1 }],
  ['restart', { run: restart, most: 1 }],
  ['interrupt', { run: interrupt, most: 1 }],
  ['rm', { run: remove, most: Number.POSITIVE_INFINITY }],
]);

export function shape(command: Command): void {
  addStartFlags(addGatewayFlags(command), 'python')
    .addArgument(actionArgument('<action>', ACTIONS.keys()))
    .addArgument(new NamedArgument('[session]', 'its name', ([word]) => (word === 'start' ? 'free' : 'session')))
    .addArgument(new NamedArgument('[path...]', 'what the action is about', ([word]) => behindSession(word)))
    .option('--file <file>', 'run: the code')
    .option('--save-media <dir>', 'run, shell: put pictures and pages that are displayed there')
    .option('--keep', 'shell: its own session goes on')
    .option('--to <dir>', 'upload: where in the session; download: where to')
    .option('--all', 'rm: all sessions of this key')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', HELP);
}

function behindSession(word: string | undefined): Nameable {
  if (word === 'rm') return 'session';
  return word === 'upload' ? 'file' : 'free';
}

/** Names of the sessions that the gateway of this command line has for its key. Throws Failure, ProblemError. */
export async function sessionNames(call: CommandCall): Promise<{ value: string; about: string }[]> {
  const sessions = await gatewayOf(call).sessions();
  return sessions.map(({ name, language }) => ({ value: name, about: language }));
}

export async function run(call: CommandCall): Promise<number> {
  const { args, caller, flags } = call;
  const [word = ''] = args;
  const action = ACTIONS.get(word);
  if (action === undefined) {
    throw new Failure('usage', `session has the actions ${[...ACTIONS.keys()].join(', ')}; see \`admin help session\``);
  }
  if (args.length - 1 > action.most)
    throw new Failure('usage', `session ${word} takes no ${JSON.stringify(args.at(-1))}`);
  const gateway = gatewayOf(call);
  return asking(call, async () => {
    const said = await action.run(gateway, call);
    if (typeof said === 'number') return said;
    const text = flags.json ? plainJson(said.facts) : said.lines.join('\n');
    if (text !== '') caller.stdout.write(`${text}\n`);
    return EXIT.ok;
  });
}
