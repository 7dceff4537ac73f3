#!/usr/bin/env node
/**
 * The docker engine beside the sock engine, and beside `docker run` of the same image, all in one run and by turns:
 * warm calls, cold starts out of the pool, cold starts without one. With a daemon of its own, which needs root and
 * `dockerd`. Takes two minutes. Compare ratios; absolute times drift.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { findGenerator } from './generator.mjs';
import { Connection, postRequest } from './load.mjs';
import { withDocker } from './peers/docker.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const ENGINES = ['sock', 'docker'];
const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';
const COLD_COUNT = 40;
/** For the pool to have one again: a container takes a fifth of a second. */
const GAP_MS = 700;
const CLIENTS = 32;
const WARM_ROUNDS = 5;
const WARM_MS = 3_000;
/** Until V8 has compiled what is called. */
const WARM_UP_MS = 10_000;

async function main() {
  await buildProgram();
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  process.stdout.write(`${cpus().length} cores, kernel ${release()}, load ${round(loadavg()[0])}\n`);
  await withDocker(async ({ env, image }) => {
    const { stdout } = await run('docker', ['version', '--format', '{{.Server.Version}}'], { env });
    process.stdout.write(`Docker ${stdout.trim()}\n\n`);
    const order = { temp, env, image };
    const pooled = await withWorkers({ ...order, settings: { pool_size: 4 } }, async (workers) => ({
      cold: await coldRuns(workers, { gapMs: GAP_MS }),
      warm: await warmRuns(workers),
    }));
    const unpooled = await withWorkers({ ...order, settings: { pool_size: 0 } }, async (workers) =>
      coldRuns(workers, { gapMs: 50, beside: () => dockerRun(order) }),
    );
    report({ ...pooled, unpooled });
  });
  rmSync(temp, { recursive: true });
}

/** `use` gets what each engine's worker is: `{ port, registry }`. Both run at the same time, and are asked by turns. */
async function withWorkers({ temp, env, image, settings }, use) {
  const workers = {};
  try {
    for (const engine of ENGINES) {
      const cluster = join(mkdtempSync(join(temp, `${engine}-`)), 'cluster');
      const admin = (command, ...args) =>
        run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args], { env });
      await admin('new');
      // One instance of each lambda of the cold runs: none is evicted, or eviction would be measured.
      const own = { sandbox: engine, docker: { image }, instances_max: 500, instances_memory_mb: 0, ...settings };
      await admin('setconf', JSON.stringify(own));
      workers[engine] = { admin, registry: join(cluster, 'registry') };
      await admin('workers', '--port=0');
      const { stdout } = await admin('status');
      workers[engine].port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)?.[1]);
    }
    return await use(workers);
  } finally {
    for (const { admin } of Object.values(workers)) await admin('kill');
  }
}

/** The first call of lambdas that nobody has called before, of one engine after the other; `beside` is timed in between. */
async function coldRuns(workers, { gapMs, beside }) {
  const times = Object.fromEntries([...ENGINES, ...(beside ? ['beside'] : [])].map((who) => [who, []]));
  const connections = {};
  for (const [engine, { port, registry }] of Object.entries(workers)) {
    for (let one = -2; one < COLD_COUNT; one += 1) writeLambda(registry, `cold${one}`);
    connections[engine] = await Connection.open(port);
  }
  await pause(1_000); // what writing them set in motion is not what is measured
  // The first ones warm up the worker's own code.
  for (let one = -2; one < COLD_COUNT; one += 1) {
    for (const engine of ENGINES) {
      await pause(gapMs);
      const ms = await called(connections[engine], workers[engine].port, `cold${one}`);
      if (one >= 0) times[engine].push(ms);
    }
    if (beside !== undefined && one >= 0) times.beside.push(await beside());
  }
  for (const connection of Object.values(connections)) connection.close();
  return Object.fromEntries(Object.entries(times).map(([who, all]) => [who, summary(all)]));
}

async function called(connection, port, name) {
  const answer = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body: EVENT }));
  if (answer.status !== 200 || answer.body !== ANSWER) throw new Error(`${name}: ${answer.status} ${answer.body}`);
  return answer.ms;
}

function writeLambda(registry, name) {
  mkdirSync(join(registry, name));
  writeFileSync(join(registry, name, 'lambda_func.py'), CODE);
}

/** As it is asked for by hand: made, started, waited for and removed. */
async function dockerRun({ env, image }) {
  const began = performance.now();
  await run('docker', ['run', '--rm', '--network', 'none', image, 'python3', '-c', 'pass'], { env });
  return performance.now() - began;
}

/** `{ 1: { sock, docker }, 32: … }`: of each the median of the rounds. */
async function warmRuns(workers) {
  const generator = await findGenerator();
  for (const { registry } of Object.values(workers)) {
    cpSync(join(ROOT, 'handlers/echo'), join(registry, 'echo'), { recursive: true });
  }
  const measure = (engine, clients, forMs) =>
    generator.measure({
      port: workers[engine].port,
      paths: ['/runLambda/echo'],
      body: EVENT,
      clients,
      forMs,
      expected: EVENT,
    });
  for (const engine of ENGINES) await measure(engine, CLIENTS, WARM_UP_MS);
  const result = {};
  for (const clients of [1, CLIENTS]) {
    const rounds = { sock: [], docker: [] };
    for (let turn = 0; turn < WARM_ROUNDS; turn += 1) {
      for (const engine of ENGINES) rounds[engine].push(await measure(engine, clients, WARM_MS));
    }
    result[clients] = Object.fromEntries(ENGINES.map((engine) => [engine, medians(rounds[engine])]));
  }
  return result;
}

function medians(all) {
  const middle = (values) => round(values.sort((a, b) => a - b)[Math.floor(values.length / 2)]);
  return Object.fromEntries(Object.keys(all[0]).map((key) => [key, middle(all.map((one) => one[key]))]));
}

function report({ cold, warm, unpooled }) {
  const rows = [['milliseconds', 'n', 'p50', 'p99', 'max', 'calls/s']];
  const add = (name, { n, p50, p99, max, perSecond }) =>
    rows.push([name, n, p50, p99, max, Math.round(perSecond) || '']);
  for (const engine of ENGINES) add(`cold start out of the pool, ${engine}`, cold[engine]);
  for (const engine of ENGINES) add(`cold start without a pool, ${engine}`, unpooled[engine]);
  add('docker run --rm IMAGE python3 -c pass', unpooled.beside);
  for (const [clients, of] of Object.entries(warm)) {
    for (const engine of ENGINES) add(`warm call, ${clients} clients, ${engine}`, of[engine]);
  }
  const share = Object.entries(warm).map(
    ([clients, { sock, docker }]) => `${round(docker.perSecond / sock.perSecond)} at ${clients}`,
  );
  process.stdout.write(
    `${table(rows)}\n\n` +
      `warm calls/s / the sock engine's, by clients: ${share.join(', ')} (at least 0.9)\n` +
      `cold start out of the pool - the sock engine's: ${round(cold.docker.p50 - cold.sock.p50)} ms (at most 20)\n` +
      `cold start without a pool / docker run: ${round(unpooled.docker.p50 / unpooled.beside.p50)} (at most 1.2)\n` +
      `load at the end: ${round(loadavg()[0])}\n`,
  );
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

await main();
