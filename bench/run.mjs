#!/usr/bin/env node
/**
 * Measures the built program beside its floors, all in one run, because this machine an hour ago is
 * another machine: cold starts beside the bare fork into namespaces, warm calls beside the same HTTP
 * server without lambdas, calls with a process each beside those without. Compare ratios; absolute times drift.
 * Takes about three minutes, of which `--warm` runs the last third alone.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { isolatedRuns } from './isolated.mjs';
import { Connection, postRequest } from './load.mjs';
import { round, summary, table } from './stats.mjs';
import { CLIENTS, warmRuns } from './warm.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const GAP_MS = 150;
const COLD_COUNT = 100;
const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

async function main() {
  const { warm: warmOnly } = parseArgs({ options: { warm: { type: 'boolean' } } }).values;
  await buildProgram();
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  const machine = await machineFacts();
  await admin('new');
  // One instance of each lambda of the cold runs: none is evicted, or eviction would be measured.
  await admin('setconf', JSON.stringify({ instances_max: 5 * COLD_COUNT }));
  const began = performance.now();
  await admin('workers', '--port=0');
  const workersMs = performance.now() - began;
  try {
    const asked = performance.now();
    const { stdout } = await admin('status');
    const statusMs = performance.now() - asked;
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)?.[1]);
    const registry = join(cluster, 'registry');
    const workerPid = Number(/\d+/.exec(readFileSync(join(cluster, 'logs/worker-0.pid'), 'utf8'))?.[0]);
    report({
      machine,
      admin: { workersMs: round(workersMs), statusMs: round(statusMs) },
      cold: warmOnly ? undefined : await coldRuns(port, registry),
      isolated: warmOnly ? undefined : await isolatedRuns({ port, registry, gapMs: GAP_MS, count: COLD_COUNT }),
      warm: await warmRuns({ port, registry, workerPid }),
    });
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

function writeLambda(registry, name) {
  mkdirSync(join(registry, name));
  writeFileSync(join(registry, name, 'lambda_func.py'), CODE);
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

function report(result) {
  const { machine, admin, cold, isolated, warm } = result;
  const rows = [['milliseconds', 'n', 'p50', 'p99', 'max', 'calls/s', 'server µs/call', 'p50 / floor']];
  const add = (name, one, floor) => {
    const { n, p50, p99, max, perSecond, cpuUs } = one;
    rows.push([name, n, p50, p99, max, Math.round(perSecond) || '', cpuUs ?? '', floor ? round(p50 / floor.p50) : '']);
  };
  for (const [kind, { floor, isla }] of Object.entries(cold ?? {})) {
    const name = kind === 'gaps' ? `${GAP_MS} ms gaps` : kind;
    add(`floor: fork into namespaces, ${name}`, floor);
    add(`cold start over HTTP, ${name}`, isla, floor);
  }
  if (isolated !== undefined) {
    add(`warm call over HTTP, ${GAP_MS} ms gaps`, isolated.instance);
    add(`call with a process of its own, ${GAP_MS} ms gaps`, isolated.call, isolated.instance);
    add(`the same, and an import of 100 ms, ${GAP_MS} ms gaps`, isolated.slowImport, isolated.instance);
  }
  for (const [clients, { hono, isla, many }] of Object.entries(warm.runs)) {
    add(`floor: bare Hono, ${clients}`, hono);
    add(`warm call over HTTP, ${clients}`, isla, hono);
    if (many !== undefined) add(`warm calls of 100 lambdas by turns, ${clients}`, many, hono);
  }
  const { python, node, kernel, cores, load } = machine;
  process.stdout.write(
    `\n${cores} cores, kernel ${kernel}, Node ${node}, Python ${python}, load ${load[0]}, warm calls from ${warm.generator}\n\n` +
      `${table(rows)}\n\n${ratios(result).join('\n')}\n` +
      `admin workers to ready: ${admin.workersMs} ms, admin status: ${admin.statusMs} ms\n`,
  );
  const dir = join(ROOT, 'bench/results');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, `${new Date().toISOString().replaceAll(':', '-')}.json`);
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(`\nwritten to ${path}\n`);
}

/** What is promised, as it was measured. */
function ratios({ cold, isolated, warm: { runs } }) {
  const one = runs['1 client'];
  const { hono, isla, many } = runs[`${CLIENTS} clients`];
  const lines = [
    `calls/s at ${CLIENTS} clients / bare Hono's: ${round(isla.perSecond / hono.perSecond)} (at least 0.7)`,
    `p50 with 1 client - bare Hono's: ${round(one.isla.p50 - one.hono.p50)} ms (under 0.25)`,
    `calls/s of 100 lambdas by turns / of one: ${round(many.perSecond / isla.perSecond)} (at least 0.5)`,
  ];
  if (cold !== undefined) lines.push(`cold p99 / p50 with gaps: ${round(cold.gaps.isla.p99 / cold.gaps.isla.p50)}`);
  if (isolated !== undefined) {
    const { instance, call } = isolated;
    lines.push(
      `p50 with a process per call / warm, with gaps: ${round(call.p50 / instance.p50)}`,
      `p50 and p99 with a process per call, with gaps: ${call.p50} and ${call.p99} ms (at most 1 and 3)`,
    );
  }
  return lines;
}

await main();
