import type { Command } from 'commander';
import { addClusterFlag } from './cluster-flag.ts';

/** Adds where the registry is and how to sign, for commands that talk to it. */
export function addRegistryFlags(command: Command): Command {
  return addClusterFlag(command)
    .option('--access-key <key>', "the registry's access key (else $ISLA_REGISTRY_ACCESS_KEY, else the cluster's)")
    .option('--secret-key <key>', "the registry's secret key (else $ISLA_REGISTRY_SECRET_KEY, else the cluster's)")
    .option('--address <url>', "where the registry is (else the cluster's registry_server)");
}
