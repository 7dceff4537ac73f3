import type { Command } from 'commander';
import { type StartedWorker, startFleet } from '../../cluster/start.ts';
import { FIRST_PORT } from '../../cluster/worker-config.ts';
import { PORT_MAX } from '../../config/limits.ts';
import { Interrupted } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../whole-number.ts';

const EXAMPLES = `
Workers listen on PORT, PORT+1, ... and go on when the terminal is closed. The command returns
when each of them serves; if one does not, the end of its log is shown and those just started
are stopped. Wanted workers that run already are left as they are (exit code 0, also if a dead
one is started again beside them); if other workers of the cluster run, or on other ports,
nothing is started (exit code 8).

Examples:
  admin workers --cluster=my-cluster
  admin workers --cluster=my-cluster --num-workers=3 --port=8080
  admin workers -cluster my-cluster -n 2 -p 9000
  ISLA_GATEWAY_TOKEN=... admin workers --cluster=my-cluster --gateway=http://10.0.0.5:8090`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .option(
      '-n, --num-workers <num>',
      'how many',
      wholeNumber('1 or more', (number) => number >= 1),
      1,
    )
    .option(
      '-p, --port <port>',
      'port of the first; 0 takes free ones',
      wholeNumber(`0 to ${PORT_MAX}`, (number) => number <= PORT_MAX),
      FIRST_PORT,
    )
    .option(
      '--gateway <url>',
      "join this gateway instead of the cluster's own; its token is in ISLA_GATEWAY_TOKEN or the file gateway_token_file",
    )
    .option('--json', 'print facts as JSON')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { caller, flags } = call;
  const abort = new AbortController();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => abort.abort(new Interrupted(signal)));
  try {
    const workers = await startFleet({
      layout,
      count: flags.numWorkers as number,
      port: flags.port as number,
      program: caller.program,
      gateway: flags.gateway as string | undefined,
      signal: abort.signal,
    });
    if (flags.json) caller.stdout.write(`${JSON.stringify({ workers })}\n`);
    else for (const worker of workers) caller.stdout.write(`${describe(worker)}\n`);
    return EXIT.ok;
  } finally {
    unlisten();
  }
}

function describe({ name, pid, port, log, already }: StartedWorker): string {
  if (already) return `Worker runs already: ${name}, pid ${pid}, port ${port}, log at ${log}`;
  return `Started worker: pid ${pid}, port ${port}, log at ${log}`;
}
