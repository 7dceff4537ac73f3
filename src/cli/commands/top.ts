import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { askFleet } from '../../cluster/ask-fleet.ts';
import type { Layout } from '../../cluster/layout.ts';
import { Interrupted } from '../caller.ts';
import { addClusterFlag, clusterOf } from '../cluster-flag.ts';
import type { CommandCall } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { type LambdaLoad, type Look, lambdaLoads, lambdaTable, workerTable } from '../fleet-tables.ts';
import { showLive } from '../live-screen.ts';

const EXAMPLES = `
Shows workers and lambdas, the busiest first, and looks again after each interval; q or ctrl-C
ends it. Rates and RUN MS (the handlers' mean time) are of the time since the look before, BUSY
includes instances that are being started. Where stdout is no terminal, or with --json, it looks
twice, an interval apart, prints that once and ends: exit code 6 if a worker died or is silent.

Examples:
  admin top --cluster=my-cluster
  admin top --cluster=my-cluster --interval=0.5
  admin top --cluster=my-cluster --json`;

export function shape(command: Command): void {
  addClusterFlag(command)
    .option('--interval <seconds>', 'time from look to look', interval, 2)
    .option('--json', 'print facts as JSON, once')
    .addHelpText('after', EXAMPLES);
}

export async function run(call: CommandCall): Promise<number> {
  const { flags, caller } = call;
  const layout = clusterOf(call);
  const intervalMs = (flags.interval as number) * 1_000;
  if (flags.json || caller.stdout.isTTY !== true) return printOnce(call, layout, intervalMs);
  let before: Look | undefined;
  const signal = await showLive({
    caller,
    intervalMs,
    draw: async () => {
      const now = await lookAt(layout);
      const lines = linesOf(layout, now, lambdaLoads(now, before));
      before = now;
      return lines;
    },
  });
  if (signal !== undefined && signal !== 'SIGINT') throw new Interrupted(signal);
  return EXIT.ok;
}

async function printOnce({ flags, caller }: CommandCall, layout: Layout, intervalMs: number): Promise<number> {
  const before = await lookAt(layout);
  await delay(intervalMs);
  const now = await lookAt(layout);
  const loads = lambdaLoads(now, before);
  if (flags.json) {
    const workers = now.asked.map(({ worker, answer }) => {
      if (answer.kind === 'silent') return { name: worker.name, reachable: false, reason: answer.reason };
      const { sandboxes: _sandboxes, lambdas: _lambdas, ...status } = answer.status;
      return { name: worker.name, reachable: true, ...status };
    });
    caller.stdout.write(`${JSON.stringify({ cluster: layout.root, workers, lambdas: loads })}\n`);
  } else caller.stdout.write(`${linesOf(layout, now, loads).join('\n')}\n`);
  return now.asked.every(({ answer }) => answer.kind === 'answer') ? EXIT.ok : EXIT.unreachable;
}

async function lookAt(layout: Layout): Promise<Look> {
  const asked = await askFleet(layout);
  return { asked, atMs: performance.now() };
}

function linesOf(layout: Layout, look: Look, loads: readonly LambdaLoad[]): string[] {
  const title = `${layout.root}  ${new Date().toTimeString().slice(0, 8)}`;
  if (look.asked.length === 0) return [title, '', 'no worker runs'];
  return [title, '', ...workerTable(look), '', ...lambdaTable(loads)];
}

function interval(text: string): number {
  const seconds = /^[0-9]{1,4}(\.[0-9]{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= 0.1)) throw new InvalidArgumentError('It must be 0.1 seconds or more');
  return seconds;
}
