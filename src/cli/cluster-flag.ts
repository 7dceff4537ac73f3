import type { Command } from 'commander';
import { findCluster } from '../cluster/find.ts';
import type { Layout } from '../cluster/layout.ts';
import type { CommandCall } from './command.ts';

/** Adds `--cluster`, which nearly every command has. */
export function addClusterFlag(command: Command): Command {
  return command.option('--cluster <dir>', 'the cluster directory (else $ISLA_CLUSTER, else the only one below here)');
}

/** The cluster that this call is about. Throws Failure `cluster-missing`. */
export function clusterOf({ flags, caller }: CommandCall): Layout {
  return findCluster({
    given: flags.cluster as string | undefined,
    fromEnvironment: caller.env.ISLA_CLUSTER,
    cwd: caller.cwd,
  });
}
