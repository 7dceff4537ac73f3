/** What all instances of a worker take together is bounded, and whoever asks is answered all the same. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster } from './use-cluster.ts';
import { letGo, waitingCode } from './waiting-lambda.ts';

const MAX_MB = 150;
/** Within this time the worker has looked at its memory. */
const LOOK_MS = 500;
const cluster = useCluster({ settings: { instances_memory_mb: MAX_MB } });

/** Keeps 30 MB for good, and another 30 during a call that waits. */
const KEEPER = [
  waitingCode(''),
  'KEPT = b"x" * (30 << 20)',
  'wait = handler',
  'def handler(event):',
  '    more = b"y" * (30 << 20) if event.get("waits") else b""',
  '    if more:',
  '        wait(event)',
  '    return [event["n"], len(KEPT) + len(more) >> 20]',
].join('\n');

interface Shown {
  lambda: string;
  state: string;
  memory_bytes: number;
}

async function shown(of: TestCluster): Promise<Shown[]> {
  const { json } = await request(`${of.url()}/status`, { headers: { accept: 'application/json' } });
  return (json as { sandboxes: Shown[] }).sandboxes.filter(({ state }) => state !== 'ending');
}

function log(): string {
  return readFileSync(join(cluster().dir, 'logs', 'worker-0.out'), 'utf8');
}

function inUseMb(sandboxes: Shown[]): number {
  return sandboxes.reduce((sum, { memory_bytes }) => sum + memory_bytes, 0) / 2 ** 20;
}

test('instances that have been idle longest make room, and their lambdas go on', async () => {
  const names = Array.from({ length: 10 }, (_, n) => `keeper-${n}`);
  for (const name of names) cluster().install(name, KEEPER);
  for (const round of [1, 2]) {
    for (const [n, name] of names.entries()) {
      const answer = await cluster().call(name, { n: n * round });
      expect(answer).toMatchObject({ status: 200, json: [n * round, 30] });
    }
  }
  await eventually(async () => expect(inUseMb(await shown(cluster()))).toBeLessThan(MAX_MB));
  const left = (await shown(cluster())).map(({ lambda }) => lambda);
  expect(left).toContain('keeper-9');
  expect(left).not.toContain('keeper-0');
  expect(log()).toContain('memory is short');
});

test('while memory is short and all are busy, calls wait instead of taking more, and none is lost', async () => {
  const names = Array.from({ length: 6 }, (_, n) => `waiter-${n}`);
  for (const name of [...names, 'late']) cluster().install(name, KEEPER);
  let done = false;
  const waiting = Promise.all(names.map((name, n) => cluster().call(name, { n, waits: true }))).finally(() => {
    done = true;
  });
  // Every idle one has been given up, and it is still too much; how many of the six run by then depends on the machine.
  await eventually(async () => {
    const left = await shown(cluster());
    expect(left.filter(({ state }) => state !== 'busy')).toEqual([]);
    expect(inUseMb(left)).toBeGreaterThan(MAX_MB);
  });
  await delay(LOOK_MS);
  const late = cluster().call('late', { n: 7 });
  await delay(LOOK_MS);
  expect((await shown(cluster())).map(({ lambda }) => lambda)).not.toContain('late');
  // Those that run make room for the rest, who wait in their turn.
  await eventually(() => {
    for (const name of names) for (const dir of cluster().instanceDirs(name)) letGo(dir);
    expect(done).toBe(true);
  });
  expect((await waiting).map(({ status, json }) => [status, json])).toEqual(names.map((_, n) => [200, [n, 60]]));
  expect(await late).toMatchObject({ status: 200, json: [7, 30] });
});
