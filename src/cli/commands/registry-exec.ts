import type { Command } from 'commander';
import { readTemplate } from '../../cluster/config-file.ts';
import { REGISTRY_PORT, registryServer } from '../../cluster/registry.ts';
import { readRegistryKeys } from '../../cluster/registry-keys.ts';
import { readServer } from '../../cluster/server.ts';
import { startRegistryServer } from '../../compose/registry-process.ts';
import { Failure } from '../../config/failure.ts';
import { PORT_MAX } from '../../config/limits.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { addReadyFd } from '../ready-fd.ts';
import { serve } from '../serve.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Logs to stdout. SIGINT, SIGTERM or a closed terminal stop it cleanly, transfers in flight
included; a second signal ends it at once. The keys are those of the file that
"registry_keys_file" names, which \`admin registry\` writes.

Examples:
  admin registry-exec --cluster=my-cluster
  admin registry-exec --cluster=my-cluster --port=9000`;

export function shape(command: Command): void {
  addReadyFd(addClusterFlag(command))
    .option(
      '-p, --port <port>',
      `its port; 0 takes a free one (else the last one, else ${REGISTRY_PORT})`,
      wholeNumber(`0 to ${PORT_MAX}`, (number) => number <= PORT_MAX),
    )
    .option('--host <address>', 'the address to listen on (else "worker_host")')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const layout = clusterOf(call);
  const settings = readTemplate(layout.template);
  const keys = readRegistryKeys(settings.registry_keys_file);
  if (keys === undefined) {
    throw new Failure(
      'config-missing',
      `there are no keys in ${settings.registry_keys_file}; \`admin registry\` makes them`,
    );
  }
  const registry = registryServer(layout);
  const host = (flags.host as string | undefined) ?? settings.worker_host;
  const port = (flags.port as number | undefined) ?? readServer(registry).address?.port ?? REGISTRY_PORT;
  const { registryStoreDir: storeDir } = layout;
  return serve(call, registry, host, () =>
    startRegistryServer({ storeDir, host, port, keys, logLevel: settings.log_level, stdout: caller.stdout }),
  );
}
