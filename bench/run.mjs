#!/usr/bin/env node
/**
 * Measures the built program beside its floors, all in one run, because this machine an hour ago is
 * another machine: cold starts beside the bare fork into namespaces, warm calls beside the same HTTP
 * server without lambdas. Compare ratios; absolute times drift. Takes about a minute and a half.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { Connection, load, postRequest } from './load.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const GAP_MS = 150;
const COLD_COUNT = 100;
const WARM_MS = 2_500;
const WARM_ROUNDS = 2;
const CLIENTS = 32;
const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

async function main() {
  await buildProgram();
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  const machine = await machineFacts();
  await admin('new');
  // One instance of each lambda of the cold runs: none is evicted, or eviction would be measured.
  await admin('setconf', JSON.stringify({ instances_max: 4 * COLD_COUNT }));
  const began = performance.now();
  await admin('workers', '--port=0');
  const workersMs = performance.now() - began;
  try {
    const asked = performance.now();
    const { stdout } = await admin('status');
    const statusMs = performance.now() - asked;
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)?.[1]);
    const registry = join(cluster, 'registry');
    const result = {
      machine,
      admin: { workersMs: round(workersMs), statusMs: round(statusMs) },
      cold: await coldRuns(port, registry),
      warm: await warmRuns(port, registry),
    };
    report(result);
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
}

async function machineFacts() {
  const { stdout } = await run('/usr/bin/python3', ['--version']);
  const versions = { kernel: release(), node: process.versions.node, python: stdout.trim().split(' ')[1] };
  return { ...versions, cores: cpus().length, cpu: cpus()[0]?.model, load: loadavg().map(round) };
}

/** Floor and cold starts by turns, so that a busy minute of the machine hits both. */
async function coldRuns(port, registry) {
  const kinds = { gaps: GAP_MS, 'back to back': 0 };
  const result = {};
  for (const [kind, gapMs] of Object.entries(kinds)) {
    const floor = await floorTimes(gapMs);
    const times = await coldTimes(port, registry, { prefix: `cold-${kind.replaceAll(' ', '-')}`, gapMs });
    result[kind] = { floor: summary(floor), isla: summary(times) };
  }
  return result;
}

async function floorTimes(gapMs) {
  const script = join(ROOT, 'bench/floor.py');
  const { stdout } = await run('/usr/bin/python3', ['-S', script, String(COLD_COUNT), String(gapMs)]);
  return JSON.parse(stdout);
}

/** The first call of lambdas that nobody has called before. */
async function coldTimes(port, registry, { prefix, gapMs }) {
  const names = Array.from({ length: COLD_COUNT }, (_, index) => `${prefix}-${index}`);
  for (const name of names) writeLambda(registry, name);
  const connection = await Connection.open(port);
  const times = [];
  await pause(1000); // what writing them set in motion is not what is measured
  for (const name of names) {
    if (gapMs > 0) await pause(gapMs);
    const answer = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body: EVENT }));
    if (answer.status !== 200 || answer.body !== ANSWER) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    times.push(answer.ms);
  }
  connection.close();
  return times;
}

async function warmRuns(port, registry) {
  writeLambda(registry, 'warm');
  const hono = await startHono();
  try {
    const ports = { isla: port, hono: hono.port };
    const result = {};
    for (const clients of [1, CLIENTS]) {
      const times = { isla: [], hono: [] };
      const perSecond = { isla: [], hono: [] };
      for (let turn = 0; turn < WARM_ROUNDS + 1; turn += 1) {
        for (const [who, itsPort] of Object.entries(ports)) {
          const one = await load({
            port: itsPort,
            path: '/runLambda/warm',
            body: EVENT,
            clients,
            forMs: WARM_MS,
            expected: ANSWER,
          });
          if (turn === 0) continue; // starts the instances and lets V8 warm up
          times[who].push(...one.times);
          perSecond[who].push(one.perSecond);
        }
      }
      const of = (who) => ({ ...summary(times[who]), perSecond: Math.round(Math.max(...perSecond[who])) });
      result[`${clients} client${clients === 1 ? '' : 's'}`] = { hono: of('hono'), isla: of('isla') };
    }
    return result;
  } finally {
    hono.child.kill();
  }
}

async function startHono() {
  const child = spawn(process.execPath, [join(ROOT, 'bench/bare-hono.mjs'), ANSWER], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise((done, fail) => {
    child.stdout.once('data', (line) => done(Number(line)));
    child.once('exit', (status) => fail(new Error(`the bare server ended with ${status}`)));
  });
  return { child, port };
}

function writeLambda(registry, name) {
  mkdirSync(join(registry, name));
  writeFileSync(join(registry, name, 'lambda_func.py'), CODE);
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

function report(result) {
  const { machine, admin, cold, warm } = result;
  const rows = [['milliseconds', 'n', 'p50', 'p99', 'max', 'calls/s', 'p50 / floor']];
  const add = (name, one, floor) => {
    rows.push([name, one.n, one.p50, one.p99, one.max, one.perSecond ?? '', floor ? round(one.p50 / floor.p50) : '']);
  };
  for (const [kind, { floor, isla }] of Object.entries(cold)) {
    const name = kind === 'gaps' ? `${GAP_MS} ms gaps` : kind;
    add(`floor: fork into namespaces, ${name}`, floor);
    add(`cold start over HTTP, ${name}`, isla, floor);
  }
  for (const [clients, { hono, isla }] of Object.entries(warm)) {
    add(`floor: bare Hono, ${clients}`, hono);
    add(`warm call over HTTP, ${clients}`, isla, hono);
  }
  const many = warm[`${CLIENTS} clients`];
  process.stdout.write(
    `\n${machine.cores} cores, kernel ${machine.kernel}, Node ${machine.node}, Python ${machine.python}, load ${machine.load[0]}\n\n` +
      `${table(rows)}\n\n` +
      `throughput at ${CLIENTS} clients / bare Hono: ${round(many.isla.perSecond / many.hono.perSecond)}\n` +
      `cold p99 / p50 with gaps: ${round(cold.gaps.isla.p99 / cold.gaps.isla.p50)}\n` +
      `admin workers to ready: ${admin.workersMs} ms, admin status: ${admin.statusMs} ms\n`,
  );
  const dir = join(ROOT, 'bench/results');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`\nwritten to ${path}\n`);
}

await main();
