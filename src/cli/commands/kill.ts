import type { Command } from 'commander';
import { gatewayServer } from '../../cluster/gateway.ts';
import { WORKER_NAME } from '../../cluster/layout.ts';
import { registryServer } from '../../cluster/registry.ts';
import { stopServer } from '../../cluster/server.ts';
import { type StopEvent, stopFleet } from '../../cluster/stop.ts';
import { reclaim } from '../../compose/reclaim.ts';
import { Failure } from '../../config/failure.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';

const EXAMPLES = `
Calls in flight get "grace_ms" to finish. Returns when the workers, their sandboxes and
whatever crashed workers left behind are gone, and the gateway and the registry, if there are any. Happy when there is nothing to do. A second
kill while the first still waits ends calls in flight at once.

Examples:
  admin kill --cluster=my-cluster
  admin kill --cluster=my-cluster && rm -r my-cluster`;

export function shape(command: Command): void {
  addClusterFlag(command).option('--json', 'print facts as JSON').addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { stdout } = call.caller;
  const events: StopEvent[] = [];
  const report = (event: StopEvent): void => {
    events.push(event);
    if (!call.flags.json) stdout.write(`${describe(event)}\n`);
  };
  const failures = await stopFleet({ layout, reclaim, report });
  // After those who may still speak to them.
  for (const server of [gatewayServer(layout), registryServer(layout)]) {
    try {
      await stopServer(server, report);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  if (call.flags.json) {
    const stopped = events.filter((event) => event.kind === 'stopped').map(({ name, pid }) => ({ name, pid }));
    stdout.write(
      `${JSON.stringify({ cluster: layout.root, stopped, failed: failures.map((failure) => failure.message) })}\n`,
    );
  } else if (events.length === 0 && failures.length === 0) {
    stdout.write('No worker runs.\n');
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) {
    const problems = failures.map((failure) => failure.message);
    throw new Failure('worker-failed', `${failures.length} processes could not be stopped`, { problems });
  }
  return EXIT.ok;
}

function describe(event: StopEvent): string {
  switch (event.kind) {
    case 'stopping':
      return `Kill ${WORKER_NAME.test(event.name) ? 'worker' : event.name} process with PID ${event.pid}`;
    case 'killing':
      return `${event.name} (pid ${event.pid}) does not stop: ended with SIGKILL`;
    case 'stopped':
      return `Stopped ${event.name}`;
    case 'had-died':
      return `${event.name} had died: removed what it left`;
  }
}
