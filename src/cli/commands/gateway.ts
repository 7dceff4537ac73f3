import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { listFleet, urlOf } from '../../cluster/fleet.ts';
import { GATEWAY_PORT, gatewayServer, startGateway } from '../../cluster/gateway.ts';
import { readGatewaySettings } from '../../cluster/gateway-settings.ts';
import type { Layout } from '../../cluster/layout.ts';
import { readServer, type StartedServer } from '../../cluster/server.ts';
import { Failure } from '../../config/failure.ts';
import { actionArgument } from '../action-argument.ts';
import { Interrupted } from '../caller.ts';
import { clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { addGatewayFlags, fixtureOf } from '../gateway-flags.ts';
import { printEnvironment, printToken } from '../gateway-keys.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Starts the gateway: the API of live code sessions. The workers of the cluster join it by themselves, those that
run and those started later. The first start makes a pair of keys for its administrator, in
gateway/admin-key.json below the cluster, for its owner's eyes only.

What flags and environment do not say is read from the first of ./manager.toml, ~/.config/backend.ai/manager.toml
and /etc/backend.ai/manager.toml that there is: manager.service-addr, manager.heartbeat-timeout, logging.level and debug.enabled;
what else is in it means nothing here.

\`admin gateway token\` prints a bearer token, and \`admin gateway env\` the variables that clients read:
BACKEND_ENDPOINT, BACKEND_ACCESS_KEY, BACKEND_SECRET_KEY. Both are the administrator's.

Examples:
  admin gateway --cluster=my-cluster
  admin gateway --cluster=my-cluster --port=8090 --host=0.0.0.0
  admin gateway --cluster=my-cluster --fixture=example-keypairs.json
  curl -H "Authorization: Bearer $(admin gateway token)" localhost:8090/languages
  eval "$(admin gateway env)"`;

export function shape(command: Command): void {
  addGatewayFlags(command)
    .addArgument(actionArgument('[action]', ['token', 'env'], 'instead of a start: what it takes to call it'))
    .option(
      '--ttl <seconds>',
      'token: how long it is good (a day)',
      wholeNumber('1 or more', (seconds) => seconds >= 1),
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const [action] = call.args;
  if (action === undefined) return start(call);
  if (action === 'token') return printToken(call);
  if (action === 'env') return printEnvironment(call);
  throw new Failure('usage', `gateway has the actions token and env, not ${JSON.stringify(action)}`);
}

async function start(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const layout = clusterOf(call);
  const template = readTemplate(layout.template);
  const { settings, file, warnings } = readGatewaySettings({ flags, env: caller.env, cwd: caller.cwd });
  for (const warning of warnings) caller.stderr.write(`admin: ${warning}\n`);
  const host = settings.host ?? template.worker_host;
  const port = settings.port ?? readServer(gatewayServer(layout)).address?.port ?? GATEWAY_PORT;
  const fixture = fixtureOf(call);
  const args = [
    ...(fixture === undefined ? [] : [`--fixture=${fixture}`]),
    ...(file === undefined ? [] : [`--config=${file}`]),
    ...(settings.heartbeatTimeoutS === undefined ? [] : [`--heartbeat-timeout=${settings.heartbeatTimeoutS}`]),
    ...(settings.logLevel === undefined ? [] : [`--log-level=${settings.logLevel}`]),
  ];
  const abort = new AbortController();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => abort.abort(new Interrupted(signal)));
  try {
    const { program } = caller;
    const started = await startGateway({ layout, address: { host, port }, args, program, signal: abort.signal });
    report(call, layout, started);
    return EXIT.ok;
  } finally {
    unlisten();
  }
}

function report({ flags, caller: { stdout } }: CommandCall, layout: Layout, started: StartedServer): void {
  const { pid, address, log, already } = started;
  const url = urlOf(address);
  if (flags.json) {
    const facts = { pid, port: address.port, url, log, admin_key_file: layout.gatewayAdminKey, already };
    stdout.write(`${JSON.stringify(facts)}\n`);
    return;
  }
  const what = already ? 'Gateway runs already' : 'Started gateway';
  stdout.write(`${what}: pid ${pid}, port ${address.port}, log at ${log}\n`);
  if (existsSync(layout.gatewayAdminKey)) stdout.write(`Keys of its administrator: ${layout.gatewayAdminKey}\n`);
  if (listFleet(layout).some(({ state }) => state.kind === 'running')) return;
  stdout.write('No worker runs: sessions can be had when `admin workers` has started one.\n');
}
