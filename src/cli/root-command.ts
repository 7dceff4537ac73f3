import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import type { Caller } from './caller.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';

export const ROOT_EXAMPLES = `Examples:
  admin new --cluster=my-cluster
  admin workers --cluster=my-cluster
  cp -r quickstart/handlers/hello my-cluster/registry/hello
  curl -X POST localhost:8080/runLambda/hello -d '{"name": "Alice"}'
  admin kill --cluster=my-cluster

Flags may have one dash or two: -cluster=x, -cluster x, --cluster=x, --cluster x.
Without --cluster the cluster is $ISLA_CLUSTER, else the only one below the current directory.`;

/** `admin` without its commands: what every one of them takes. */
export function rootCommand(caller: Caller): Command {
  return new Command('admin')
    .description('Isla: serverless functions on your own machines, started in milliseconds.')
    .version(versionOf(caller), '--version', 'print the version')
    .addOption(new Option('--color <when>', 'colour the output').choices(['auto', 'always', 'never']).default('auto'))
    .option('--debug', 'show where errors come from (or ISLA_DEBUG=1)')
    .addHelpText('after', `\n${ROOT_EXAMPLES}\n\n${EXIT_CODES_HELP}`)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => caller.stdout.write(text),
      writeErr: (text) => caller.stderr.write(text),
      outputError: () => {}, // report() says it, once.
    });
}

/** Of this program. */
export function versionOf({ program }: Caller): string {
  try {
    const manifest = JSON.parse(readFileSync(join(dirname(program.main), '..', 'package.json'), 'utf8')) as Manifest;
    const { version = 'unknown', singleFile } = manifest;
    if (singleFile === undefined) return version;
    return `${version} (one file for ${singleFile.platform}, with ${singleFile.inside.join(' and ')})`;
  } catch {
    return 'unknown';
  }
}

interface Manifest {
  version?: string;
  /** If it came as one: for which machines, and what of others it has inside. */
  singleFile?: { platform: string; inside: readonly string[] };
}
