/** Warm calls of `echo` beside a bare Hono server that answers the same POST with the same bytes, by turns. */

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, withWorker } from '../bed.mjs';
import { spread } from '../figures.mjs';
import { findGenerator } from '../generator.mjs';
import { startServer } from '../server.mjs';

/** Clients, and how large events and answers are, in bytes. */
const RUNS = [
  { clients: 1, bytes: 100 },
  { clients: 8, bytes: 100 },
  { clients: 32, bytes: 100, want: 'at least 0.7' },
  { clients: 128, bytes: 100 },
  { clients: 8, bytes: 10_000 },
  { clients: 8, bytes: 1_000_000 },
];
const FOR_MS = 2_000;
/** By turns, so that a busy moment of the machine hits both. */
const ROUNDS = 3;
/** Until V8 has compiled what is called. */
const WARM_UP_MS = 8_000;

export async function measureWarm(figures) {
  const generator = await findGenerator();
  const echo = await startServer(process.execPath, [join(ROOT, 'bench/bare-hono.mjs')]);
  try {
    await withWorker({ limits: { concurrency: 32 } }, async ({ port, registry }) => {
      cpSync(join(ROOT, 'handlers/echo'), join(registry, 'echo'), { recursive: true });
      const targets = { hono: echo.port, isla: port };
      const measure = (target, run, forMs) => generator.measure(orderOf(targets[target], run, forMs));
      for (const target of Object.keys(targets)) await measure(target, RUNS[2], WARM_UP_MS);
      for (const run of RUNS) await measureRun(figures, run, (target) => measure(target, run, FOR_MS));
    });
  } finally {
    await echo.stop();
  }
}

async function measureRun(figures, { clients, bytes, want }, measure) {
  const rounds = { hono: [], isla: [] };
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    for (const target of Object.keys(rounds)) rounds[target].push(await measure(target));
  }
  const name = `${clients} ${clients === 1 ? 'client' : 'clients'}, ${bytes / 1_000} KB`;
  const hono = `bare Hono, ${name}`;
  figures.add('warm calls', hono, spread(rounds.hono.map((one) => one.perSecond)), { unit: 'per second' });
  const perSecond = spread(rounds.isla.map((one) => one.perSecond));
  figures.add('warm calls', `Isla, ${name}`, perSecond, { unit: 'per second', floor: hono, want });
  figures.add('warm latency', hono, middle(rounds.hono));
  figures.add('warm latency', `Isla, ${name}`, middle(rounds.isla), { floor: hono });
}

/** The round with the middle p50, whole. */
function middle(rounds) {
  return [...rounds].sort((a, b) => a.p50 - b.p50)[Math.floor(rounds.length / 2)];
}

function orderOf(port, { clients, bytes }, forMs) {
  const body = JSON.stringify('x'.repeat(bytes - 2));
  return { port, paths: ['/runLambda/echo'], body, expected: body, clients, forMs };
}
