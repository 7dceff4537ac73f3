#!/usr/bin/env node
/**
 * Mixed load with everything that goes wrong: handlers that raise, exit, crash, hang and eat memory, code that
 * is edited under load, lambdas that come and go, clients that leave, processes of the worker that are killed.
 * Ends with 1 if a request was lost, answered with what it must not be, ran old code, or if anything grew.
 *
 *     node bench/soak.mjs [--seconds=600]
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { growth, killOne, sizes } from './soak-watch.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

/** What the worker may say of a call whose sandbox, zygote or spawner has been killed from outside. */
const VICTIM = [500, 502, 503];
const NEWCOMERS = 20;
/** What is deleted in the background has gone by then, however busy the machine is: what is left is a leak. */
const REST_MS_MAX = 60_000;

/** Lambdas, how many clients call each all the time, and the statuses that are right. */
const LAMBDAS = {
  echo: { clients: 4, right: [200], code: 'def handler(event):\n    return event\n' },
  prints: { clients: 1, right: [200], code: 'def handler(event):\n    print("x" * 200)\n    return 1\n' },
  raises: { clients: 1, right: [500], code: 'def handler(event):\n    raise ValueError(event)\n' },
  exits: { clients: 1, right: [502], code: 'import os\ndef handler(event):\n    os._exit(3)\n' },
  crashes: {
    clients: 1,
    right: [502],
    code: 'import ctypes\ndef handler(event):\n    ctypes.string_at(0)\n',
  },
  hungry: {
    clients: 1,
    right: [500, 502], // without a cgroup Python gets a MemoryError of its own
    code: 'def handler(event):\n    return len(bytearray(1 << 30))\n',
    json: { memory_mb: 64 },
  },
  hangs: {
    clients: 1,
    right: [504],
    code: 'import time\ndef handler(event):\n    while True:\n        time.sleep(60)\n',
    json: { timeout_ms: 300 },
  },
  forks: {
    clients: 1,
    right: [200],
    code: 'import subprocess\ndef handler(event):\n    subprocess.Popen(["sleep", "600"])\n    return 1\n',
    json: { timeout_ms: 5000, procs: 8 },
    mayFail: true, // when its place is full of sleepers
  },
};

async function main() {
  const { seconds } = parseArgs({ options: { seconds: { type: 'string', default: '600' } } }).values;
  await buildProgram();
  const temp = mkdtempSync(join(tmpdir(), 'isla-soak-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  // What waits ahead for a burst is no leak, and is given back by halves: here it stays as it is. Of earlier code
  // no more is kept than the first tenth of the load leaves.
  await admin('setconf', '{"pool_size": 4, "pool_max": 4, "code_kept": 4}');
  await admin('workers', '--port=0');
  try {
    const { stdout } = await admin('status');
    const url = /(http:\/\/\S+)\/status => ready/.exec(stdout)[1];
    const soak = new Soak(url, cluster);
    process.exitCode = (await soak.run(Number(seconds) * 1000)) ? 0 : 1;
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true, force: true });
  }
}

class Soak {
  #counts = new Map();
  #wrong = [];
  #over = false;
  #edition = 0;
  #killed = 0;

  constructor(url, cluster) {
    this.url = url;
    this.cluster = cluster;
    this.pid = Number(readFileSync(join(cluster, 'logs/worker-0.pid'), 'utf8'));
  }

  /** Whether all went well. What grows is seen between two rests, the first after a tenth of the time. */
  async run(forMs) {
    await this.#load(forMs / 10);
    const before = await this.#rest();
    await this.#load((forMs * 9) / 10);
    const after = await this.#rest(before);
    const grown = growth(before, after);
    for (const [name, counts] of [...this.#counts].sort()) print(`${name.padEnd(10)} ${JSON.stringify(counts)}`);
    for (const name of Object.keys(after)) print(`${name.padEnd(10)} ${before[name]} -> ${after[name]}`);
    for (const line of [...this.#wrong.slice(0, 20), ...grown]) print(`WRONG ${line}`);
    const calls = [...this.#counts.values()].flatMap(Object.values).reduce((sum, count) => sum + count, 0);
    print(
      `${calls} calls, ${this.#edition} edits, ${this.#killed} kills: ${this.#wrong.length} wrong answers, ${grown.length} leaks`,
    );
    return this.#wrong.length === 0 && grown.length === 0;
  }

  async #load(forMs) {
    for (const [name, { code, json }] of Object.entries(LAMBDAS)) this.#install(name, code, json);
    this.#edit();
    this.#over = false;
    const running = [
      ...Object.entries(LAMBDAS).flatMap(([name, { clients }]) =>
        Array.from({ length: clients }, () => this.#again(() => this.#callLambda(name))),
      ),
      this.#again(() => this.#callEdited()),
      this.#again(() => this.#callEdited()),
      this.#again(() => this.#comeAndGo()),
      this.#again(() => this.#leaveEarly()),
      this.#every(250, () => this.#edit()),
      this.#every(1000, () => this.#kill()),
    ];
    await pause(forMs);
    this.#over = true;
    await Promise.all(running);
  }

  async #again(step) {
    while (!this.#over) await step();
  }

  async #every(ms, step) {
    while (!this.#over) {
      step();
      await pause(ms);
    }
  }

  async #callLambda(name) {
    const { right, mayFail } = LAMBDAS[name];
    const event = `{"at": ${Date.now()}}`;
    const { status, text } = await this.#post(name, event);
    const fine = right.includes(status) || VICTIM.includes(status) || (mayFail && status === 504);
    if (!fine) this.#wrong.push(`${name}: ${status} ${text}`);
    if (name === 'echo' && status === 200 && text !== event) this.#wrong.push(`echo: ${text} for ${event}`);
  }

  /** Code that was there before the request is what answers it, or newer. */
  async #callEdited() {
    const written = this.#edition;
    const { status, text } = await this.#post('edited', '{}');
    if (status === 200 && Number(text) < written) this.#wrong.push(`edited: ${text} after ${written}`);
    else if (status !== 200 && !VICTIM.includes(status)) this.#wrong.push(`edited: ${status} ${text}`);
    await pause(5);
  }

  async #comeAndGo() {
    const name = `newcomer-${Math.floor(Math.random() * NEWCOMERS)}`;
    this.#install(name, `def handler(event):\n    return "${name}"\n`);
    const { status, text } = await this.#post(name, '{}');
    if (status === 200 ? text !== `"${name}"` : !VICTIM.includes(status)) {
      this.#wrong.push(`${name}: ${status} ${text}`);
    }
    rmSync(join(this.cluster, 'registry', name), { recursive: true });
    await pause(20);
  }

  async #leaveEarly() {
    const signal = AbortSignal.timeout(Math.ceil(Math.random() * 100));
    await fetch(`${this.url}/runLambda/hangs`, { method: 'POST', body: '{}', signal }).then(
      (answer) => answer.text(),
      () => undefined, // it left
    );
    await pause(50);
  }

  async #post(name, body) {
    let answer = { status: 'lost', text: '' };
    try {
      const response = await fetch(`${this.url}/runLambda/${name}`, { method: 'POST', body });
      answer = { status: response.status, text: await response.text() };
    } catch (error) {
      this.#wrong.push(`${name}: no answer: ${error.cause ?? error}`);
    }
    const kind = name.startsWith('newcomer') ? 'newcomers' : name;
    const counts = this.#counts.get(kind) ?? {};
    const told = answer.status === 200 ? '' : ` ${/"errorType": ?"([^"]*)"/.exec(answer.text)?.[1] ?? ''}`;
    counts[answer.status + told] = (counts[answer.status + told] ?? 0) + 1;
    this.#counts.set(kind, counts);
    return answer;
  }

  #edit() {
    const next = this.#edition + 1;
    this.#install('edited', `def handler(event):\n    return ${next}\n`);
    this.#edition = next;
  }

  /** Mostly a sandbox, sometimes a zygote, now and then the spawner. */
  #kill() {
    if (killOne(this.pid, this.#killed)) this.#killed += 1;
  }

  #install(name, code, json) {
    const dir = join(this.cluster, 'registry', name);
    mkdirSync(dir, { recursive: true });
    if (json !== undefined) writeFileSync(join(dir, 'lambda.json'), JSON.stringify(json));
    writeFileSync(join(dir, 'new.py'), code);
    renameSync(join(dir, 'new.py'), join(dir, 'lambda_func.py'));
  }

  /** Without lambdas all instances end; what is left then should be what was left the last time, `before`. */
  async #rest(before) {
    rmSync(join(this.cluster, 'registry'), { recursive: true });
    mkdirSync(join(this.cluster, 'registry'));
    for (const name of [...this.#counts.keys()]) await this.#look(name);
    for (let n = 0; n < NEWCOMERS; n += 1) await this.#look(`newcomer-${n}`);
    for (;;) {
      const response = await fetch(`${this.url}/status`, { headers: { accept: 'application/json' } });
      if ((await response.json()).sandboxes.length === 0) break;
      await pause(100);
    }
    await pause(3000); // cgroups of those that went last are removed with the next that come
    const lateMs = performance.now() + REST_MS_MAX;
    for (;;) {
      const now = sizes(this.pid, this.cluster);
      if (before === undefined || growth(before, now).length === 0 || performance.now() > lateMs) return now;
      await pause(500);
    }
  }

  /** A call of a lambda that has gone makes the worker look. */
  async #look(name) {
    const response = await fetch(`${this.url}/runLambda/${name}`, { method: 'POST', body: '{}' });
    await response.text();
  }
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

await main();
