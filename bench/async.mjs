#!/usr/bin/env node
/**
 * Asynchronous calls per second that are on the disk before their 202, from many connections at once, while none of
 * them runs. Beside it three floors: a file on the same disk to which every event is appended and flushed by itself,
 * SQLite that commits as many rows in one transaction as there are connections, and the same client asking the
 * same worker for its health. Then how fast what waits is worked off.
 */
import { execFile } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const SECONDS = 5;
const CONNECTIONS = 64;
const EVENT = JSON.stringify({ name: 'Alice', padding: 'x'.repeat(200) });
const PROMISED_PER_S = 3_000;

/** Instances of the lambda that holds what it is given. */
const HELD_MAX = 7;

const LAMBDAS = {
  held: 'import time\ndef handler(event):\n    time.sleep(25)\n',
  echo: 'def handler(event):\n    return 1\n',
};

async function main() {
  await buildProgram();
  process.stdout.write(`${cpus().length} cores, kernel ${release()}, load ${round(loadavg()[0])}\n\n`);
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  await admin('workers', '--port=0');
  try {
    const flushed = flushedAppends(temp);
    const grouped = groupCommits(temp);
    for (const [name, code] of Object.entries(LAMBDAS)) {
      mkdirSync(join(cluster, 'registry', name));
      writeFileSync(join(cluster, 'registry', name, 'lambda_func.py'), code);
    }
    const { stdout } = await admin('status');
    const port = Number(/:(\d+)\/status => ready/.exec(stdout)[1]);
    const health = await asked(port, { path: '/livez', method: 'GET', expected: 200, s: SECONDS });
    const { perS, times } = await asked(port, { path: '/async/held', method: 'POST', expected: 202, s: SECONDS });
    const { p50, p99 } = summary(times);
    await admin('async', 'purge', '--state=queued', '--all');
    await asked(port, { path: '/async/echo', method: 'POST', expected: 202, s: 1 });
    const worked = await workedOff(port);
    const rows = [['per second', '']];
    rows.push(['floor: append and fsync, one by one', round(flushed)]);
    rows.push([`floor: SQLite, ${CONNECTIONS} rows a commit`, round(grouped)]);
    rows.push([`floor: GET /livez from ${CONNECTIONS} connections`, round(health.perS)]);
    rows.push([`POST /async from ${CONNECTIONS} connections`, round(perS)]);
    rows.push(['calls worked off, of a lambda with eight instances', round(worked)]);
    process.stdout.write(`${table(rows)}\n\n202 after ${round(p50)} ms at p50, ${round(p99)} at p99; `);
    process.stdout.write(`${round(perS / grouped)} of the group commits, ${round(perS / health.perS)} of GET /livez\n`);
    process.stdout.write(`promised ${PROMISED_PER_S} per second: ${perS >= PROMISED_PER_S ? 'kept' : 'MISSED'}\n`);
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
}

function flushedAppends(dir) {
  const fd = openSync(join(dir, 'appended'), 'a');
  const perS = rate(() => {
    writeSync(fd, EVENT);
    fsyncSync(fd);
    return 1;
  });
  closeSync(fd);
  return perS;
}

function groupCommits(dir) {
  const Sqlite = createRequire(import.meta.url)('better-sqlite3');
  const database = new Sqlite(join(dir, 'floor.db'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE events (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)');
  const add = database.prepare('INSERT INTO events (body) VALUES (?)');
  const commit = database.transaction(() => {
    for (let n = 0; n < CONNECTIONS; n += 1) add.run(EVENT);
  });
  const perS = rate(() => {
    commit.immediate();
    return CONNECTIONS;
  });
  database.close();
  return perS;
}

function rate(work) {
  let done = 0;
  const startedMs = performance.now();
  while (performance.now() - startedMs < SECONDS * 1000) done += work();
  return (done * 1000) / (performance.now() - startedMs);
}

async function asked(port, { path, method, expected, s }) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const times = [];
  const startedMs = performance.now();
  const sender = async () => {
    while (performance.now() - startedMs < s * 1000) {
      const sinceMs = performance.now();
      const status = await ask({ port, path, method, agent });
      if (status !== expected) throw new Error(`${method} ${path} answered ${status}`);
      times.push(performance.now() - sinceMs);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, sender));
  const perS = (times.length * 1000) / (performance.now() - startedMs);
  agent.destroy();
  return { perS, times };
}

function ask({ port, path, method, agent }) {
  return new Promise((done, fail) => {
    const body = method === 'POST' ? EVENT : '';
    const headers = { 'content-length': body.length };
    const sent = request({ port, host: '127.0.0.1', path, method, agent, headers }, (answer) => {
      answer.resume().on('end', () => done(answer.statusCode));
    });
    sent.on('error', fail).end(body);
  });
}

/** Calls that end per second while there are some that wait. */
async function workedOff(port) {
  const before = await counts(port);
  const startedMs = performance.now();
  for (;;) {
    await new Promise((done) => setTimeout(done, 250));
    const now = await counts(port);
    const s = (performance.now() - startedMs) / 1000;
    if (now.waiting <= HELD_MAX || s > SECONDS) return (before.waiting - now.waiting) / s;
  }
}

async function counts(port) {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const value = (state) => Number(new RegExp(`^faas_async_depth\\{state="${state}"\\} (\\d+)$`, 'm').exec(page)[1]);
  return { waiting: value('queued') + value('running') };
}

await main();
