#!/usr/bin/env node
/**
 * PUT and GET of the registry beside a plain Node server that writes and reads the same files, and beside one that
 * flushes what it writes as the registry does. All by turns in one run: only ratios of the same minute count.
 *
 *     node bench/registry.mjs [--rounds=15]
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const KEYS = { access: 'BENCH', secret: 'of-the-bench' };

/** What is sent at a time, by how many clients, and how often in a round. */
const LOADS = [
  { name: '10 MB, 1 client', bytes: 10_000_000, clients: 1, times: 6 },
  { name: '10 MB, 4 clients', bytes: 10_000_000, clients: 4, times: 2 },
  { name: '100 KB, 8 clients', bytes: 100_000, clients: 8, times: 10 },
];

async function main() {
  const { rounds } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } }).values;
  await buildProgram();
  const dir = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(dir, 'cluster');
  const admin = (...args) => run(join(ROOT, 'bin/admin'), args);
  const plain = [await startPlain(dir), await startPlain(dir, 'flush')];
  try {
    await admin('new', `--cluster=${cluster}`);
    const keys = [`--access-key=${KEYS.access}`, `--secret-key=${KEYS.secret}`];
    const started = await admin('registry', `--cluster=${cluster}`, '--port=0', '--json', ...keys);
    const { port } = JSON.parse(started.stdout);
    const servers = { plain: plain[0].port, flushed: plain[1].port, registry: port };
    for (const load of LOADS) print(load, await measure(load, servers, Number(rounds)));
  } finally {
    for (const { child } of plain) child.kill();
    await admin('kill', `--cluster=${cluster}`);
    rmSync(dir, { recursive: true });
  }
}

/** Milliseconds of each round, by server and method. */
async function measure({ bytes, clients, times }, servers, rounds) {
  const body = randomBytes(bytes);
  const hash = createHash('sha256').update(body).digest('hex');
  const taken = {};
  for (let round = -1; round < rounds; round += 1) {
    for (const method of ['PUT', 'GET']) {
      for (const [name, port] of Object.entries(servers)) {
        const agent = new Agent({ keepAlive: true, maxSockets: clients });
        const began = performance.now();
        await Promise.all(
          Array.from({ length: clients }, async (_, client) => {
            for (let time = 0; time < times; time += 1) {
              await send({ agent, port, method, path: `/registry/bench-${client}`, body, hash });
            }
          }),
        );
        agent.destroy();
        // The first round warms up.
        if (round < 0) continue;
        taken[`${method} ${name}`] ??= [];
        taken[`${method} ${name}`].push((performance.now() - began) / times);
      }
    }
  }
  return taken;
}

function print({ name, bytes, clients }, taken) {
  for (const method of ['PUT', 'GET']) {
    const of = (server) => taken[`${method} ${server}`];
    const ratio = (server) => median(of('registry').map((ms, at) => ms / of(server)[at])).toFixed(2);
    const rate = (server) => ((bytes * clients) / 1000 / median(of(server))).toFixed(0).padStart(5);
    process.stdout.write(
      `${method} ${name.padEnd(18)} MB/s: plain ${rate('plain')}  flushed ${rate('flushed')}  registry ${rate('registry')}` +
        `   time of the registry: ${ratio('plain')} x plain, ${ratio('flushed')} x flushed\n`,
    );
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function send({ agent, port, method, path, body, hash }) {
  const headers = sign({ host: `127.0.0.1:${port}` }, { method, path, hash: method === 'PUT' ? hash : EMPTY });
  if (method === 'PUT') headers['content-length'] = String(body.length);
  return new Promise((done, fail) => {
    const sent = request({ agent, port, host: '127.0.0.1', method, path, headers }, (response) => {
      let bytes = 0;
      response.on('data', (piece) => {
        bytes += piece.length;
      });
      response.once('end', () => {
        if (response.statusCode !== 200) fail(new Error(`${method} ${path}: ${response.statusCode}`));
        else if (method === 'GET' && bytes !== body.length) fail(new Error(`${path} has ${bytes} bytes`));
        else done();
      });
      response.once('error', fail);
    });
    sent.once('error', fail);
    sent.end(method === 'PUT' ? body : undefined);
  });
}

const EMPTY = createHash('sha256').digest('hex');

/** Signature Version 4, as far as these requests need it. */
function sign(headers, { method, path, hash }) {
  const time = new Date().toISOString().replace(/[:-]|\.\d{3}/g, '');
  const all = { ...headers, 'x-amz-content-sha256': hash, 'x-amz-date': time };
  const names = Object.keys(all).sort();
  const lines = names.map((name) => `${name}:${all[name]}\n`).join('');
  const canonical = [method, path, '', lines, names.join(';'), hash].join('\n');
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = scope.split('/').reduce((k, part) => createHmac('sha256', k).update(part).digest(), `AWS4${KEYS.secret}`);
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const credential = `${KEYS.access}/${scope}`;
  all.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return all;
}

async function startPlain(dir, flush = '') {
  const child = spawn(process.execPath, [join(ROOT, 'bench/bare-files.mjs'), dir, flush], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise((done) => child.stdout.once('data', (text) => done(Number(text))));
  return { child, port };
}

await main();
