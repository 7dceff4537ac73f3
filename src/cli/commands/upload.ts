import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readTemplate, readWorkerConfig } from '../../cluster/config-file.ts';
import { listFleet, urlOf } from '../../cluster/fleet.ts';
import type { Layout } from '../../cluster/layout.ts';
import { openRegistry, type PreparedBundle, prepareBundle } from '../../compose/registry-access.ts';
import { Failure } from '../../config/failure.ts';
import { atServer } from '../../config/parse.ts';
import type { Settings } from '../../config/settings.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import type { Uploaded } from '../../registry/client.ts';
import { LAMBDA_NAME_RULE, type LambdaName, parseLambdaName } from '../../registry/source.ts';
import { Interrupted } from '../caller.ts';
import { clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { howMuch, Progress } from '../progress.ts';
import { addRegistryFlags } from '../registry-flags.ts';
import { mebibytes } from '../terminal.ts';

const EXAMPLES = `
FILE is a bundle (.tar.gz or .zip with lambda_func.py at its top, or in its only folder) or the
lambda's directory, which is packed. It is judged before it is sent. When the command returns, the
next call runs the new version; the one before stays in the registry (\`admin lambdas rollback\`).

Examples:
  admin upload --cluster=my-cluster --handler=hello --file=quickstart/handlers/hello
  admin upload --cluster=my-cluster --handler=hello --file=hello.tar.gz
  admin upload --cluster=my-cluster --handler=hello --file=hello.zip --access-key=AK --secret-key=SK`;

export function shape(command: Command): void {
  addRegistryFlags(command)
    .option('--handler <name>', 'name of the lambda')
    .option('--file <path>', 'the bundle, or the directory of the lambda')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { caller, flags } = call;
  const lambda = handlerOf(call);
  if (flags.file === undefined)
    throw new Failure('usage', 'upload needs --file: a bundle, or the directory of the lambda');
  const layout = clusterOf(call);
  const settings = atServer(readTemplate(layout.template), flags.address as string | undefined);
  const abort = new AbortController();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => abort.abort(new Interrupted(signal)));
  try {
    const bundle = await prepareBundle(resolve(caller.cwd, flags.file as string), settings);
    try {
      const uploaded = await send(call, { lambda, bundle, settings, signal: abort.signal });
      print(call, { lambda, bundle, uploaded, layout, settings });
    } finally {
      await bundle.close();
    }
    return EXIT.ok;
  } finally {
    unlisten();
  }
}

function handlerOf({ flags }: CommandCall): LambdaName {
  const name = flags.handler as string | undefined;
  if (name === undefined) throw new Failure('usage', 'upload needs --handler: the name of the lambda');
  const lambda = parseLambdaName(name);
  if (lambda === undefined)
    throw new Failure('name-invalid', `${JSON.stringify(name)} is no name: ${LAMBDA_NAME_RULE}`);
  return lambda;
}

interface Sending {
  lambda: LambdaName;
  bundle: PreparedBundle;
  settings: Settings;
  signal: AbortSignal;
}

async function send({ caller, flags }: CommandCall, { lambda, bundle, settings, signal }: Sending): Promise<Uploaded> {
  const registry = openRegistry(settings, { flags, env: caller.env });
  const progress = new Progress(caller);
  try {
    const { file, facts } = bundle;
    return await registry.upload({
      lambda,
      file,
      format: facts.format,
      signal,
      onProgress: (sent, bytes) => progress.show(`${lambda}: ${howMuch(sent, bytes)}`),
    });
  } finally {
    progress.clear();
    registry.close();
  }
}

interface Done {
  lambda: LambdaName;
  bundle: PreparedBundle;
  uploaded: Uploaded;
  layout: Layout;
  settings: Settings;
}

function print({ caller, flags }: CommandCall, { lambda, bundle, uploaded, layout, settings }: Done): void {
  const { version, key, bytes } = uploaded;
  if (flags.json) {
    const { entries } = bundle.facts;
    caller.stdout.write(
      `${JSON.stringify({ lambda, version, key, bytes, entries, unpackedBytes: bundle.facts.bytes })}\n`,
    );
    return;
  }
  const running = listFleet(layout).flatMap(({ name, state, address }) =>
    state.kind === 'running' && address !== undefined && pulls(layout, name, settings) ? [address] : [],
  );
  const cluster = `--cluster=${shellQuote(layout.root)}`;
  const [address] = running;
  const how =
    address === undefined
      ? [`no worker of this cluster takes its lambdas from there yet: admin workers ${cluster}`]
      : [
          `call it:  admin invoke ${lambda} '{}' ${cluster}`,
          `          curl -X POST ${urlOf(address)}/runLambda/${lambda} -d '{}'`,
        ];
  caller.stdout.write(`${lambda} is deployed, version ${version} (${mebibytes(bytes)})\n${how.join('\n')}\n`);
}

/** Whether the worker was started with that registry. */
function pulls(layout: Layout, worker: string, { registry_server }: Settings): boolean {
  const path = layout.workerConfig(worker);
  if (!existsSync(path)) return false;
  const config = readWorkerConfig(path);
  return config.registry === 'remote' && config.registry_server === registry_server;
}
