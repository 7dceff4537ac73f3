import { resolve } from 'node:path';
import type { Command } from 'commander';
import { createCluster } from '../../cluster/create.ts';
import { formatSettings } from '../../cluster/template.ts';
import { Failure } from '../../config/failure.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

const EXAMPLES = `
Makes config, logs, base, packages, registry and workers, and config/template.json with
the settings of future workers. The place must be free and its parent must exist.

Examples:
  admin new --cluster=my-cluster
  admin new -cluster /srv/functions`;

export function shape(command: Command): void {
  command
    .option('--cluster <dir>', 'where to make it (else $ISLA_CLUSTER)')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run({ flags, caller }: CommandCall): Promise<number> {
  const place = (flags.cluster as string | undefined) ?? caller.env.ISLA_CLUSTER;
  if (!place) throw new Failure('usage', 'a new cluster needs a place: `admin new --cluster=my-cluster`');
  const { layout, settings } = createCluster(resolve(caller.cwd, place));
  if (flags.json) {
    caller.stdout.write(formatSettings({ cluster: layout.root, settings }));
    return EXIT.ok;
  }
  caller.stdout.write(`Cluster Directory: ${layout.root}\n\nWorker Defaults: \n${formatSettings(settings)}\n`);
  caller.stdout.write('You may now start a cluster using the "workers" command\n');
  return EXIT.ok;
}
