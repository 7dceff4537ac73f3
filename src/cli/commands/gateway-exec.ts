import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { urlOf } from '../../cluster/fleet.ts';
import { GATEWAY_PORT, gatewayServer } from '../../cluster/gateway.ts';
import { readGatewaySettings } from '../../cluster/gateway-settings.ts';
import { readServer } from '../../cluster/server.ts';
import { startGatewayServer } from '../../compose/gateway-process.ts';
import { clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { addGatewayFlags, fixtureOf } from '../gateway-flags.ts';
import { addReadyFd } from '../ready-fd.ts';
import { versionOf } from '../root-command.ts';
import { serve } from '../serve.ts';

const EXAMPLES = `
Logs to stdout. SIGINT, SIGTERM or a closed terminal stop it cleanly; sessions go on, and are
found again by the next start. A second signal ends it at once.

Examples:
  admin gateway-exec --cluster=my-cluster
  admin gateway-exec --cluster=my-cluster --port=8090`;

export function shape(command: Command): void {
  addReadyFd(addGatewayFlags(command)).addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const layout = clusterOf(call);
  const template = readTemplate(layout.template);
  const { settings, warnings } = readGatewaySettings({ flags, env: caller.env, cwd: caller.cwd });
  const host = settings.host ?? template.worker_host;
  const gateway = gatewayServer(layout);
  return serve(call, gateway, host, () =>
    startGatewayServer({
      layout,
      joinDir: template.gateway_dir,
      host,
      port: settings.port ?? readServer(gateway).address?.port ?? GATEWAY_PORT,
      logLevel: settings.logLevel ?? template.log_level,
      heartbeatTimeoutMs: settings.heartbeatTimeoutS && settings.heartbeatTimeoutS * 1_000,
      version: versionOf(caller),
      urlFor: (port) => urlOf({ host, port }),
      fixture: fixtureOf(call),
      warnings,
      stdout: caller.stdout,
    }),
  );
}
