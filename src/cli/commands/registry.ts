import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { listFleet } from '../../cluster/fleet.ts';
import type { Layout } from '../../cluster/layout.ts';
import { REGISTRY_PORT, registryServer, registryUrl, startRegistry } from '../../cluster/registry.ts';
import { generateKeys, givenKeys, type RegistryKeys, readRegistryKeys } from '../../cluster/registry-keys.ts';
import { readServer, type StartedServer } from '../../cluster/server.ts';
import { changeTemplate } from '../../cluster/template.ts';
import { checkRegistry, tidyRegistry } from '../../compose/registry-upkeep.ts';
import { Failure } from '../../config/failure.ts';
import { PORT_MAX } from '../../config/limits.ts';
import { actionArgument } from '../action-argument.ts';
import { Interrupted } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { checkLines, tidyLine } from '../registry-report.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Starts the registry, an S3 server of this cluster's own, and sets "registry" and
"registry_server" in its template, so that workers started afterwards take their lambdas from
it. Whatever is uploaded to the bucket "registry" as NAME.tar.gz or NAME.zip is the lambda NAME.

The keys are those of --access-key and --secret-key, else of --keys-file, else of the environment
(ISLA_REGISTRY_ACCESS_KEY, ISLA_REGISTRY_SECRET_KEY), else those it had before, else new ones, which are
shown once. They are kept in config/registry-keys.json, for its owner's eyes only. What stands on
a command line every user of the machine can read while the command runs.

A registry that runs already, on that port and with those keys, is left as it is.

Actions, which may run beside it:
  fsck    read every byte that is kept and compare its digest; name what nothing refers to (exit
          code 1 if something is damaged)
  gc      remove what nothing refers to, multipart uploads that were given up a week ago, and with
          --keep old versions

Examples:
  admin registry --port=9000 --access-key=KEY --secret-key=SECRET --cluster=my-cluster
  admin registry --cluster=my-cluster
  admin registry fsck --cluster=my-cluster
  admin registry gc --keep=10 --cluster=my-cluster
  aws --endpoint-url http://localhost:9000 s3 cp hello.tar.gz s3://registry/`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .addArgument(actionArgument('[action]', ['fsck', 'gc'], 'what to do; starts the registry without one'))
    .option(
      '-p, --port <port>',
      `its port; 0 takes a free one (else the last one, else ${REGISTRY_PORT})`,
      wholeNumber(`0 to ${PORT_MAX}`, (number) => number <= PORT_MAX),
    )
    .option('--host <address>', 'the address to listen on (else "worker_host")')
    .option('--access-key <key>', 'the name that clients sign with')
    .option('--secret-key <secret>', 'what they sign with')
    .option('--keys-file <file>', 'JSON with "access_key" and "secret_key"')
    .option(
      '--keep <num>',
      'gc: of each lambda keep this many versions, and the current one; all without it',
      wholeNumber('0 or more', (number) => number >= 0),
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const [action = 'start'] = call.args;
  if (!['start', 'fsck', 'gc'].includes(action)) {
    throw new Failure('usage', 'registry has the actions fsck and gc, and starts the registry without one');
  }
  if (call.flags.keep !== undefined && action !== 'gc') throw new Failure('usage', '--keep goes with `registry gc`');
  const layout = clusterOf(call);
  if (action === 'fsck') return check(call, layout);
  if (action === 'gc') return tidy(call, layout);
  return start(call, layout);
}

async function check({ flags, caller }: CommandCall, { registryStoreDir }: Layout): Promise<number> {
  const checkup = await checkRegistry(registryStoreDir);
  caller.stdout.write(`${flags.json ? JSON.stringify(checkup) : checkLines(checkup).join('\n')}\n`);
  return checkup.damage.length === 0 ? EXIT.ok : EXIT.failed;
}

async function tidy({ flags, caller }: CommandCall, { registryStoreDir }: Layout): Promise<number> {
  const tidied = await tidyRegistry(registryStoreDir, flags.keep as number | undefined);
  caller.stdout.write(`${flags.json ? JSON.stringify(tidied) : tidyLine(tidied)}\n`);
  return EXIT.ok;
}

async function start(call: CommandCall, layout: Layout): Promise<number> {
  const { flags, caller } = call;
  const settings = readTemplate(layout.template);
  const keysFile = settings.registry_keys_file;
  const known = keysAskedFor(call) ?? readRegistryKeys(keysFile);
  const keys = known ?? generateKeys();
  const host = (flags.host as string | undefined) ?? settings.worker_host;
  const port = (flags.port as number | undefined) ?? readServer(registryServer(layout)).address?.port ?? REGISTRY_PORT;
  const address = { host, port };
  const abort = new AbortController();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => abort.abort(new Interrupted(signal)));
  try {
    const { program } = caller;
    const started = await startRegistry({ layout, address, keys, keysFile, program, signal: abort.signal });
    const url = registryUrl(started.address);
    const { changes } = changeTemplate(layout.template, JSON.stringify({ registry: 'remote', registry_server: url }));
    report(call, {
      layout,
      started,
      url,
      generated: known === undefined ? keys : undefined,
      changed: changes.length > 0,
    });
    return EXIT.ok;
  } finally {
    unlisten();
  }
}

function keysAskedFor({ flags, caller }: CommandCall): RegistryKeys | undefined {
  const { keysFile } = flags;
  if (keysFile === undefined) return givenKeys(flags, caller.env);
  if (flags.accessKey !== undefined || flags.secretKey !== undefined) {
    throw new Failure('usage', 'the keys are given by --keys-file or by --access-key and --secret-key, not both');
  }
  const path = resolve(caller.cwd, keysFile as string);
  const keys = readRegistryKeys(path);
  if (keys === undefined) throw new Failure('usage', `there is no ${path}`);
  return keys;
}

interface Facts {
  layout: Layout;
  started: StartedServer;
  url: string;
  /** Shown, because nobody knows them yet. */
  generated: RegistryKeys | undefined;
  changed: boolean;
}

function report({ flags, caller }: CommandCall, { layout, started, url, generated, changed }: Facts): void {
  const { pid, address, log, already } = started;
  const { stdout } = caller;
  if (flags.json) {
    const keys = generated && { access_key: generated.accessKey, secret_key: generated.secretKey };
    stdout.write(`${JSON.stringify({ pid, port: address.port, url, log, already, ...keys })}\n`);
    return;
  }
  const what = already ? 'Registry runs already' : 'Started registry';
  stdout.write(`${what}: pid ${pid}, port ${address.port}, log at ${log}\n`);
  if (generated !== undefined) {
    stdout.write(`Access key: ${generated.accessKey}\nSecret key: ${generated.secretKey}\n`);
    stdout.write('They are shown this once, and kept in config/registry-keys.json.\n');
  }
  if (!changed) return;
  stdout.write(`Workers started from now on take their lambdas from ${url}\n`);
  const running = listFleet(layout).filter(({ state }) => state.kind === 'running').length;
  if (running > 0)
    stdout.write('Those that run keep the registry they have; `admin kill` and `admin workers` change that\n');
}
