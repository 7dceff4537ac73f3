#!/usr/bin/env node
/**
 * How much memory warm lambdas take: one more idle instance, and a worker that keeps a thousand different
 * lambdas warm in 4 GB. Memory is the machine's available memory before and after, so run it on a quiet one. What a
 * worker takes once, however many instances it has, it has taken before: V8's nursery grows to 16 MB with the calls that
 * come, whoever's, and the pool would grow with so many cold starts in a row.
 *
 *     node bench/density.mjs [--lambdas=1000]
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { Connection, postRequest } from './load.mjs';
import { round, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const FIRST = 100;
const MEMORY_MB = 4096;
const POOL = 4;
const CALLS_BEFORE = 5_000;

async function main() {
  const { lambdas } = parseArgs({ options: { lambdas: { type: 'string', default: '1000' } } }).values;
  const count = Number(lambdas);
  await buildProgram();
  const temp = mkdtempSync(join(tmpdir(), 'isla-density-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  const instances_max = Math.max(count, FIRST) + 1;
  const settings = { instances_memory_mb: MEMORY_MB, instances_max, pool_size: POOL, pool_max: POOL };
  await admin('setconf', JSON.stringify(settings));
  for (let n = 0; n <= count; n += 1) {
    mkdirSync(join(cluster, 'registry', `lambda-${n}`));
    writeFileSync(join(cluster, 'registry', `lambda-${n}`, 'lambda_func.py'), `def handler(event):\n    return ${n}\n`);
  }
  await admin('workers', '--port=0');
  try {
    const { stdout } = await admin('status');
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)[1]);
    await callAll(port, count, count + 1, CALLS_BEFORE);
    await pause(1000);
    const before = availableMb();
    await callAll(port, 0, Math.min(FIRST, count));
    await pause(1000);
    const eachMb = (before - availableMb()) / Math.min(FIRST, count);
    const first = await callAll(port, 0, count);
    const second = await callAll(port, 0, count);
    const rows = [
      ['', 'value'],
      ['one more idle instance, MB', round(eachMb)],
      [`${count} lambdas once each, per second`, Math.round((1000 * count) / first.ms)],
      [`${count} lambdas again in order, warm`, second.warm],
      ['memory of all, MB', Math.round(before - availableMb())],
    ];
    process.stdout.write(`${table(rows)}\n`);
    process.exitCode = second.warm === count ? 0 : 1;
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true, force: true });
  }
}

/** In order, one after the other, each so many times; a call is warm if no code was loaded for it. */
async function callAll(port, from, to, times = 1) {
  const connection = await Connection.open(port);
  const began = performance.now();
  let warm = 0;
  for (let call = from * times; call < to * times; call += 1) {
    const n = Math.floor(call / times);
    const answer = await connection.send(postRequest({ port, path: `/runLambda/lambda-${n}`, body: '{}' }));
    if (answer.status !== 200 || answer.body !== String(n))
      throw new Error(`lambda-${n}: ${answer.status} ${answer.body}`);
    if (!/\binit\b/.test(answer.head)) warm += 1;
  }
  connection.close();
  return { warm, ms: performance.now() - began };
}

function availableMb() {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) / 1024;
}

await main();
