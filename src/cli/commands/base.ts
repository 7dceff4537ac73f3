import { resolve } from 'node:path';
import type { Command } from 'commander';
import { keepTarball } from '../../cluster/base.ts';
import { readTemplate } from '../../cluster/config-file.ts';
import { changeTemplate } from '../../cluster/template.ts';
import { baseFromImage } from '../../compose/base-from-image.ts';
import { Failure } from '../../config/failure.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { Progress } from '../progress.ts';
import { mebibytes } from '../terminal.ts';

const EXAMPLES = `
What sandboxes see as their system, read-only: this machine's own directories, or a root file system
with a python3, unpacked from a tarball or a Docker image into the cluster's base/. Without a source it
prints what is set. Workers that run keep what they have.

Examples:
  admin base --cluster=my-cluster --from-docker=python:3.12-slim
  admin base --cluster=my-cluster --from-tar=root.tar.gz
  admin base --cluster=my-cluster --from-host`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .option('--from-host', "this machine's own system")
    .option('--from-tar <file>', 'a .tar, .tar.gz, .tgz or .tar.xz')
    .option('--from-docker <image>', 'an image, pulled if it is not here; nothing of it is started')
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { stdout } = call.caller;
  const chosen = await choose(call, readTemplate(layout.template).base_dir);
  if (chosen !== undefined) changeTemplate(layout.template, JSON.stringify({ base: chosen }));
  const { base } = readTemplate(layout.template);
  stdout.write(call.flags.json ? `${JSON.stringify({ base })}\n` : `base: ${base}\n`);
  return EXIT.ok;
}

/** As the template has it; undefined if nothing is to change. */
async function choose({ flags, caller }: CommandCall, baseDir: string): Promise<string | undefined> {
  const { fromHost, fromTar, fromDocker } = flags as { fromHost?: boolean; fromTar?: string; fromDocker?: string };
  const sources = [fromHost, fromTar, fromDocker].filter((source) => source !== undefined);
  if (sources.length > 1) throw new Failure('usage', 'choose one of --from-host, --from-tar and --from-docker');
  const progress = new Progress(caller);
  try {
    if (fromTar !== undefined) {
      progress.show(`unpacking ${fromTar}`);
      return await keepTarball(resolve(caller.cwd, fromTar), baseDir);
    }
    if (fromDocker !== undefined) {
      return await baseFromImage(fromDocker, baseDir, (step, bytes) =>
        progress.show(`${step} ${fromDocker}${bytes === undefined ? '' : `: ${mebibytes(bytes)}`}`),
      );
    }
  } finally {
    progress.clear();
  }
  return fromHost === true ? 'host' : undefined;
}
