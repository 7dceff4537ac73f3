#!/usr/bin/env node
/**
 * Cold starts in all ways in which they come: alone with gaps, back to back, and in bursts of many clients; out of
 * the pool and without one. What a burst teaches the pool is for the next one, so those are run twice. Takes two
 * minutes. Each way has a floor beside it, the bare fork into namespaces: compare ratios, absolute times drift.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { Connection, postRequest } from './load.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const GAP_MS = 150;
const COUNT = 100;
const CLIENTS = 8;
const BURST = 200;
/** For the pool to be filled after a burst: at 10 ms each. */
const REST_MS = 3_000;
const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

const rows = [['milliseconds', 'n', 'p50', 'p99', 'max', 'calls/s', 'p50 / floor']];

async function main() {
  await buildProgram();
  process.stdout.write(`${cpus().length} cores, kernel ${release()}, load ${round(loadavg()[0])}\n\n`);
  await withWorker({ pool_max: BURST }, async (lambdas) => {
    await measure('out of the pool, 150 ms gaps', lambdas, { count: COUNT, gapMs: GAP_MS });
    await measure('back to back', lambdas, { count: COUNT });
    await measure('back to back, again', lambdas, { count: COUNT });
    await measure(`${CLIENTS} clients`, lambdas, { count: BURST, clients: CLIENTS });
    await measure(`${CLIENTS} clients, again`, lambdas, { count: BURST, clients: CLIENTS });
  });
  await withWorker({ pool_size: 0 }, async (lambdas) => {
    await measure('without a pool, 150 ms gaps', lambdas, { count: COUNT, gapMs: GAP_MS });
  });
  process.stdout.write(`${table(rows)}\n\nload at the end: ${round(loadavg()[0])}\n`);
}

/** `use` gets what makes new lambdas: `lambdas(count)` resolves with their addresses once they could be called. */
async function withWorker(settings, use) {
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  await admin('setconf', JSON.stringify({ instances_max: 2_000, ...settings }));
  await admin('workers', '--port=0');
  try {
    const { stdout } = await admin('status');
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)?.[1]);
    let made = 0;
    await use(async (count) => {
      const names = Array.from({ length: count }, () => `cold-${made++}`);
      for (const name of names) {
        mkdirSync(join(cluster, 'registry', name));
        writeFileSync(join(cluster, 'registry', name, 'lambda_func.py'), CODE);
      }
      await pause(REST_MS);
      return { port, names };
    });
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
}

async function measure(what, lambdas, { count, gapMs = 0, clients = 1 }) {
  const floor = summary(await floorTimes(gapMs));
  const { port, names } = await lambdas(count);
  const times = [];
  const began = performance.now();
  await Promise.all(Array.from({ length: clients }, () => callAll({ port, names, times, gapMs })));
  const perSecond = Math.round((count * 1000) / (performance.now() - began));
  const one = summary(times);
  rows.push([
    `cold, ${what}`,
    one.n,
    one.p50,
    one.p99,
    one.max,
    gapMs > 0 ? '' : perSecond,
    round(one.p50 / floor.p50),
  ]);
}

async function floorTimes(gapMs) {
  const script = join(ROOT, 'bench/floor.py');
  const { stdout } = await run('/usr/bin/python3', ['-S', script, String(COUNT), String(gapMs)]);
  return JSON.parse(stdout);
}

/** One client: takes names off the list until there are none. */
async function callAll({ port, names, times, gapMs }) {
  const connection = await Connection.open(port);
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (gapMs > 0) await pause(gapMs);
    const answer = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body: EVENT }));
    if (answer.status !== 200 || answer.body !== ANSWER) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    times.push(answer.ms);
  }
  connection.close();
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

await main();
