#!/usr/bin/env node
/**
 * Cold starts of handlers in JavaScript, out of those that wait, and calls of a warm one, beside those of Python. The floor is
 * `node -e 0`, which each of them would otherwise take at least: compare ratios, absolute times drift. Takes two minutes.
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

const COUNT = 60;
const WARM_COUNT = 1_000;
/** For those that wait to be made again, on a machine that does other things as well. */
const GAP_MS = 400;
/** For the code to be read ahead, and Node to be started. */
const REST_MS = 4_000;
const EVENT = '{"name": "Alice"}';
const ANSWER = '"Hello, Alice!"';
const CODE = {
  'lambda_func.mjs': `export const handler = async ({ name }) => \`Hello, \${name}!\`;\n`,
  'lambda_func.cjs': `exports.handler = async ({ name }) => \`Hello, \${name}!\`;\n`,
  'lambda_func.py': 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n',
};

const rows = [['milliseconds', 'n', 'least', 'p50', 'p99', 'max', 'p50 / floor']];

async function main() {
  await buildProgram();
  process.stdout.write(
    `${cpus().length} cores, kernel ${release()}, Node ${process.versions.node}, load ${load()}\n\n`,
  );
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  await admin('setconf', JSON.stringify({ instances_max: 2_000 }));
  await admin('workers', '--port=0');
  try {
    const { stdout } = await admin('status');
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)?.[1]);
    for (const file of Object.keys(CODE)) await measure(port, file, join(cluster, 'registry'));
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
  process.stdout.write(`${table(rows)}\n\nload at the end: ${load()}\n`);
}

async function measure(port, file, registry) {
  const floor = await floorTimes();
  const names = Array.from({ length: COUNT }, (_, number) => `${file.replaceAll('.', '-')}-${number}`);
  for (const name of names) {
    mkdirSync(join(registry, name));
    writeFileSync(join(registry, name, file), CODE[file]);
  }
  await pause(REST_MS);
  const connection = await Connection.open(port);
  const call = async (name) => {
    const answer = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body: EVENT }));
    if (answer.status !== 200 || answer.body !== ANSWER) throw new Error(`${name}: ${answer.status} ${answer.body}`);
    return answer.ms;
  };
  const cold = [];
  for (const name of names) {
    await pause(GAP_MS);
    cold.push(await call(name));
  }
  const warm = [];
  for (let count = 0; count < WARM_COUNT; count += 1) warm.push(await call(names[0]));
  connection.close();
  add('node -e 0', floor, floor);
  add(`cold, ${file}`, cold, floor);
  add(`warm, ${file}`, warm, floor);
}

async function floorTimes() {
  const times = [];
  for (let count = 0; count < COUNT / 3; count += 1) {
    const began = performance.now();
    await run(process.execPath, ['-e', '0']);
    times.push(performance.now() - began);
  }
  return times;
}

function add(what, times, floor) {
  const { n, p50, p99, max } = summary(times);
  rows.push([what, n, round(Math.min(...times)), p50, p99, max, round(p50 / summary(floor).p50)]);
}

function load() {
  return round(loadavg()[0]);
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

await main();
