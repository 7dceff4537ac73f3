import type { Command } from 'commander';
import { type Asked, askFleet } from '../../cluster/ask-fleet.ts';
import { type AskedGateway, askGateway } from '../../cluster/ask-gateway.ts';
import { type AskedRegistry, askRegistry } from '../../cluster/ask-registry.ts';
import { type FleetWorker, urlOf } from '../../cluster/fleet.ts';
import type { Layout } from '../../cluster/layout.ts';
import type { Ping, SandboxStatus } from '../../cluster/ping.ts';
import { shellQuote } from '../../lib/shell-quote.ts';
import type { Output } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { columns, mebibytes } from '../terminal.ts';

const EXAMPLES = `
Asks every worker of the cluster that runs or should run. The containers are the sandboxes:
lambda, instance, engine, state, memory. The registry and the gateway follow, if the cluster
has started them, the gateway with its agents. Exit code 6 if a worker died, stops or does not answer, or one of those; a cluster whose workers
were stopped has nothing to ask (exit code 0).

Examples:
  admin status --cluster=my-cluster
  admin status --cluster=my-cluster --json`;

export function shape(command: Command): void {
  addClusterFlag(command).option('--json', 'print facts as JSON').addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const layout = clusterOf(call);
  const { stdout, stderr } = call.caller;
  const [asked, registry, gateway] = await Promise.all([askFleet(layout), askRegistry(layout), askGateway(layout)]);
  if (call.flags.json) stdout.write(`${JSON.stringify(factsOf(layout, asked, { registry, gateway }))}\n`);
  else {
    print(layout, asked, stdout);
    if (registry !== undefined) stdout.write(`Registry:\n  ${registry.url} => ${registry.says}\n\n`);
    if (gateway !== undefined) stdout.write(gatewayLines(gateway));
  }
  if (asked.length === 0) {
    stderr.write(`no worker runs; \`admin workers --cluster=${shellQuote(layout.root)}\` starts one\n`);
  }
  return asked.every(isReady) && registry?.reachable !== false && gateway?.reachable !== false
    ? EXIT.ok
    : EXIT.unreachable;
}

function isReady({ answer }: Asked): boolean {
  return answer.kind === 'answer' && answer.httpStatus === 200;
}

function print(layout: Layout, asked: readonly Asked[], stdout: Output): void {
  const pings = asked.map(({ worker, answer }) => `  ${statusUrl(worker)} => ${describe(layout, worker, answer)}\n`);
  const sandboxes = asked.flatMap(({ answer }) => sandboxesOf(answer));
  const rows = columns(sandboxes.map(row)).map((line) => `  ${line}\n`);
  stdout.write(`Worker Pings:\n${pings.join('')}\nCluster containers:\n${rows.join('')}\n`);
}

function statusUrl({ name, address }: FleetWorker): string {
  return address === undefined ? name : `${urlOf(address)}/status`;
}

function describe(layout: Layout, { name, state }: FleetWorker, answer: Ping): string {
  if (answer.kind === 'answer') return `${answer.status.state} [${answer.httpStatus} ${answer.httpReason}]`;
  const log = layout.workerLog(name);
  const what = state.kind === 'died' ? `${name} died` : `${name}: ${answer.reason}`;
  return `not reachable (${what}; see ${log})`;
}

function sandboxesOf(answer: Ping): SandboxStatus[] {
  return answer.kind === 'answer' ? (answer.status.sandboxes ?? []) : [];
}

function row({ lambda, instance, engine, state, memory_bytes }: SandboxStatus): string[] {
  return [lambda, String(instance), engine, state, mebibytes(memory_bytes)];
}

function gatewayLines({ url, says, agents }: AskedGateway): string {
  const rows = agents.map(({ id, status, version, sessions }) => [id, status, version, `${sessions} sessions`]);
  const lines = columns(rows).map((line) => `  ${line}\n`);
  return `Gateway:\n  ${url} => ${says}\n${lines.length === 0 ? '' : `Agents:\n${lines.join('')}`}\n`;
}

interface Servers {
  registry: AskedRegistry | undefined;
  gateway: AskedGateway | undefined;
}

function factsOf(layout: Layout, asked: readonly Asked[], { registry, gateway }: Servers): object {
  const workers = asked.map(({ worker, answer }) => ({
    name: worker.name,
    url: worker.address === undefined ? null : urlOf(worker.address),
    pid: worker.state.kind === 'running' ? worker.state.pid : null,
    log: layout.workerLog(worker.name),
    ...(answer.kind === 'answer'
      ? { reachable: true, http_status: answer.httpStatus, ...answer.status }
      : { reachable: false, reason: answer.reason }),
  }));
  return { cluster: layout.root, workers, ...(registry && { registry }), ...(gateway && { gateway }) };
}
