/** Warm calls of `echo` beside a bare Hono server that answers the same POST with the same body, and of many lambdas. */
import { spawn } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findGenerator } from './generator.mjs';
import { round } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const EVENT = '{"name": "Alice"}';
const FOR_MS = 3_000;
/** By turns, so that a busy minute of the machine hits all. */
const ROUNDS = 3;
const LAMBDAS = 100;
/** Until V8 has compiled what is called: 2,000 calls do not do. */
const WARM_UP_MS = 10_000;

export const CLIENTS = 32;

/** `{ generator, runs: { '1 client': { hono, isla }, '32 clients': { hono, isla, many } } }`, each with CPU per call. */
export async function warmRuns({ port, registry, workerPid }) {
  const generator = await findGenerator();
  const many = Array.from({ length: LAMBDAS }, (_, index) => `echo-${index}`);
  for (const name of ['echo', ...many]) cpSync(join(ROOT, 'handlers/echo'), join(registry, name), { recursive: true });
  const hono = await startHono();
  const pathsOf = (names) => names.map((name) => `/runLambda/${name}`);
  const targets = {
    hono: { port: hono.port, pid: hono.child.pid, paths: pathsOf(['echo']) },
    isla: { port, pid: workerPid, paths: pathsOf(['echo']) },
    many: { port, pid: workerPid, paths: pathsOf(many) },
  };
  try {
    const measure = (target, clients, forMs) => measured(generator, target, { clients, forMs });
    for (const target of Object.values(targets)) await measure(target, CLIENTS, WARM_UP_MS);
    const { many: _many, ...one } = targets;
    const runs = { '1 client': await byTurns(one, (target) => measure(target, 1, FOR_MS)) };
    runs[`${CLIENTS} clients`] = await byTurns(targets, (target) => measure(target, CLIENTS, FOR_MS));
    return { generator: generator.name, runs };
  } finally {
    hono.child.kill();
  }
}

async function measured(generator, { port, pid, paths }, { clients, forMs }) {
  const before = cpuMs(pid);
  const one = await generator.measure({ port, paths, body: EVENT, clients, forMs, expected: EVENT });
  return { ...one, cpuUs: ((cpuMs(pid) - before) * 1000) / one.n };
}

/** Of each figure the median of the rounds. */
async function byTurns(targets, act) {
  const rounds = Object.fromEntries(Object.keys(targets).map((who) => [who, []]));
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    for (const [who, target] of Object.entries(targets)) rounds[who].push(await act(target));
  }
  return Object.fromEntries(Object.entries(rounds).map(([who, all]) => [who, medians(all)]));
}

function medians(all) {
  const middle = (values) => round(values.sort((a, b) => a - b)[Math.floor(values.length / 2)]);
  return Object.fromEntries(Object.keys(all[0]).map((key) => [key, middle(all.map((one) => one[key]))]));
}

/** What a process has used, in milliseconds; the kernel counts in hundredths of a second. */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function startHono() {
  const child = spawn(process.execPath, [join(ROOT, 'bench/bare-hono.mjs'), EVENT], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise((done, fail) => {
    child.stdout.once('data', (line) => done(Number(line)));
    child.once('exit', (status) => fail(new Error(`the bare server ended with ${status}`)));
  });
  return { child, port };
}
