/** A worker in a cluster of its own, for as long as something is measured on it. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Connection, postRequest } from './load.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const run = promisify(execFile);
export const EVENT = '{"name": "Alice"}';
export const ANSWER = '"Hello, Alice!"';
export const HELLO = 'def handler(event):\n    return f"Hello, {event[\'name\']}!"\n';

/**
 * `use` gets `{ port, pid, cluster, registry, admin, lambda }`; `lambda(name, code, files)` writes one and returns its name.
 * Resolves with what it resolves with, when everything is gone.
 */
export async function withWorker(settings, use) {
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  await admin('setconf', JSON.stringify(settings));
  await admin('workers', '--port=0');
  try {
    const { stdout } = await admin('status');
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(stdout)?.[1]);
    const pid = Number(/\d+/.exec(readFileSync(join(cluster, 'logs/worker-0.pid'), 'utf8'))?.[0]);
    const registry = join(cluster, 'registry');
    return await use({ port, pid, cluster, registry, admin, lambda: (...order) => writeLambda(registry, ...order) });
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
}

function writeLambda(registry, name, code = HELLO, files = {}) {
  mkdirSync(join(registry, name), { recursive: true });
  writeFileSync(join(registry, name, 'lambda_func.py'), code);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(registry, name, file), text);
  return name;
}

/** One call of each, in order, each after a gap; resolves with how long each took, in milliseconds. */
export async function callEach({ port, names, gapMs = 0, clients = 1, body = EVENT, answer = ANSWER }) {
  const times = [];
  const left = [...names];
  const one = async () => {
    const connection = await Connection.open(port);
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      if (gapMs > 0) await pause(gapMs);
      const { status, body: said, ms } = await connection.send(postRequest({ port, path: `/runLambda/${name}`, body }));
      if (status !== 200 || said !== answer) throw new Error(`${name}: ${status} ${said}`);
      times.push(ms);
    }
    connection.close();
  };
  await Promise.all(Array.from({ length: clients }, one));
  return times;
}

/** What the kernel charges for the fork of a sandbox, in milliseconds. */
export async function floorTimes(count, gapMs) {
  const script = join(ROOT, 'bench/floor.py');
  const { stdout } = await run('/usr/bin/python3', ['-S', script, String(count), String(gapMs)]);
  return JSON.parse(stdout);
}

/** From nothing to the end of `pass`, in milliseconds. */
export async function pythonTimes(number, gapMs) {
  const times = [];
  for (let turn = 0; turn < number; turn += 1) {
    await pause(gapMs);
    const began = performance.now();
    await run('/usr/bin/python3', ['-I', '-S', '-c', 'pass']);
    times.push(performance.now() - began);
  }
  return times;
}

/** What the machine could still give to programs, in MB. */
export function availableMb() {
  return Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) / 1_024;
}

export function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

export function count(number, make) {
  return Array.from({ length: number }, (_, index) => make(index));
}
