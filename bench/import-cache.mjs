#!/usr/bin/env node
/**
 * What the import cache is worth: cold starts of a lambda with numpy and pandas beside those of `hello` and those
 * without the cache; the very first request for it beside a plain Python that imports the same; what 50 of its instances take beside one plain process; and a made-up population of lambdas whose
 * packages are spread as in the SOCK paper (Zipf), with the cache off, with one zygote, and with the tree. Needs pip to
 * find numpy and pandas. Takes five minutes; compare ratios, absolute times drift.
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const MB = 1_048_576;

const GAP_MS = 300;
const COUNT = 30;
const FIRST_COUNT = 7;
const INSTANCES = 50;
const HELLO = 'def handler(event):\n    return "hello"\n';
const PANDAS = 'import numpy, pandas\ndef handler(event):\n    return int(pandas.Series(numpy.arange(4)).sum())\n';
const IMPORTS = 'import numpy, pandas\ndef handler(event):\n    return "hello"\n';
const SLEEPS = 'import time, numpy, pandas\ndef handler(event):\n    time.sleep(8)\n    return 1\n';

const PACKAGES = 24;
const LAMBDAS = 60;
const CALLS = 200;

async function main() {
  const { zipf: zipfOnly } = parseArgs({ options: { zipf: { type: 'boolean' } } }).values;
  await buildProgram();
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  // Whoever pip runs as reads the wheels in it.
  chmodSync(temp, 0o755);
  try {
    process.stdout.write(`${cpus().length} cores, kernel ${release()}, load ${round(loadavg()[0])}\n\n`);
    if (!zipfOnly) await pandasRuns(temp);
    if (!zipfOnly) await firstRuns(temp);
    await zipfRuns(temp);
    process.stdout.write(`\nload at the end: ${round(loadavg()[0])}\n`);
  } finally {
    rmSync(temp, { recursive: true });
  }
}

async function pandasRuns(temp) {
  const rows = [['cold starts, milliseconds', 'n', 'p50', 'p99', 'max']];
  const requirements = 'numpy\npandas\n';
  const limits = { memory_mb: 512, concurrency: INSTANCES };
  await withWorker(temp, { limits }, async ({ lambda, call, facts }) => {
    await call(lambda('first', PANDAS, requirements), 300_000);
    for (let n = 0; n < 3; n += 1) await call(lambda(`warm-${n}`, PANDAS, requirements));
    while (!(await facts()).zygotes.some(({ packages }) => packages.some((one) => one.startsWith('pandas='))))
      await pause(200);
    const [hello, imports, pandas] = [[], [], []];
    for (let n = 0; n < COUNT; n += 1) {
      const names = [
        [hello, lambda(`hello-${n}`, HELLO)],
        [imports, lambda(`imports-${n}`, IMPORTS, requirements)],
        [pandas, lambda(`pandas-${n}`, PANDAS, requirements)],
      ];
      for (const [times, name] of names) {
        await pause(GAP_MS);
        times.push(await call(name));
      }
    }
    rows.push(rowOf('hello', hello), rowOf('numpy + pandas imported, zygote warm', imports));
    rows.push(rowOf('numpy + pandas used, zygote warm', pandas));
    await memoryRun({ lambda, call, facts, temp });
  });
  await withWorker(temp, { limits, import_cache: 'off' }, async ({ lambda, call }) => {
    await call(lambda('first', PANDAS, requirements), 300_000);
    const times = [];
    for (let n = 0; n < COUNT / 3; n += 1) {
      const name = lambda(`off-${n}`, PANDAS, requirements);
      await pause(GAP_MS);
      times.push(await call(name));
    }
    rows.push(rowOf('numpy + pandas used, cache off', times));
  });
  process.stdout.write(`${table(rows)}\n\n`);
}

/** Each first request is that of a fresh worker, which finds the packages installed and knows nothing else. */
async function firstRuns(temp) {
  const rows = [['first request after install, milliseconds', 'n', 'p50', 'p99', 'max']];
  const [plain, first] = [[], []];
  const dir = setDir(temp);
  for (let n = 0; n < FIRST_COUNT; n += 1) {
    await withWorker(temp, { limits: { memory_mb: 512 } }, async ({ lambda, call }) => {
      await call(lambda('hello', HELLO));
      const name = lambda('first', PANDAS, 'numpy\npandas\n');
      await pause(GAP_MS);
      first.push(await call(name));
    });
    const code = `import sys\nsys.path.append(${JSON.stringify(dir)})\nimport numpy, pandas`;
    const began = performance.now();
    await run('/usr/bin/python3', ['-I', '-S', '-c', code], { env: { OPENBLAS_NUM_THREADS: '1' } });
    plain.push(performance.now() - began);
  }
  rows.push(rowOf('plain Python', plain), rowOf('first request', first));
  const ratio = round(summary(first).p50 / summary(plain).p50);
  process.stdout.write(`${table(rows)}\nratio of the medians: ${ratio}\n\n`);
}

/** The one set that is installed. */
function setDir(temp) {
  const interpreter = readdirSync(join(temp, 'packages')).find((each) => each.includes('cpython'));
  const sets = join(temp, 'packages', interpreter ?? '', 'sets');
  return join(sets, readdirSync(sets)[0]);
}

/** A burst leaves others that wait for the next one: of how many processes it is the memory is told, too. */
async function memoryRun({ lambda, call, facts, temp }) {
  const name = lambda('sleeps', SLEEPS, 'numpy\npandas\n');
  await call(name);
  const before = pssBelow();
  const all = Array.from({ length: INSTANCES }, () => call(name, 60_000));
  await pause(5_000);
  const after = pssBelow();
  await Promise.all(all);
  const made = [...after.keys()].filter((pid) => !before.has(pid)).length;
  const more = sum(after.values()) - sum(before.values());
  const instances = (more / made) * INSTANCES;
  const dir = setDir(temp);
  const code = `import sys\nsys.path.append(${JSON.stringify(dir)})\nimport numpy, pandas\nprint(next(l.split()[1] for l in open("/proc/self/smaps_rollup") if l.startswith("Pss:")))`;
  const plain = Number((await run('/usr/bin/python3', ['-I', '-S', '-c', code])).stdout) * 1024;
  const zygotes = (await facts()).zygotes.length;
  process.stdout.write(
    `PSS of ${INSTANCES} instances: ${round(instances / MB)} MiB; of one plain process: ${round(plain / MB)} MiB; ratio ${round(instances / plain)}\n` +
      `with ${made - INSTANCES} more that wait: ${round(more / MB)} MiB, ratio ${round(more / plain)} (${zygotes} zygotes)\n\n`,
  );
}

/** PSS of each process of sandboxes and zygotes on this machine, in bytes. */
function pssBelow() {
  const found = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes('/isla/')) continue;
      found.set(pid, Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

function sum(numbers) {
  return [...numbers].reduce((total, number) => total + number, 0);
}

async function zipfRuns(temp) {
  const links = join(temp, 'wheels');
  await makeWheels(links);
  process.env.PIP_FIND_LINKS = links;
  const random = generator(7);
  const population = Array.from({ length: LAMBDAS }, () => choose(random));
  const calls = Array.from({ length: CALLS }, () => zipf(random, LAMBDAS));
  const rows = [['Zipf, milliseconds', 'n', 'p50', 'p99', 'max', 'hit rate', 'zygotes']];
  for (const [what, settings] of [
    ['cache off', { import_cache: 'off' }],
    ['one zygote', { zygotes_max: 1 }],
    ['the tree', {}],
  ]) {
    await withWorker(temp, { ...settings, instances_max: 1 }, async ({ lambda, call, facts }) => {
      const names = population.map((packages, at) => {
        const imports = packages.map((each) => `import ${each}\n`).join('');
        return lambda(`zipf-${at}`, `${imports}${HELLO}`, packages.map((each) => `${each}\n`).join(''));
      });
      for (const name of names) await call(name, 120_000);
      const times = [];
      for (const [at, number] of calls.entries()) {
        // With one instance at a time, every call of another lambda is a cold start.
        await call(lambda(`between-${at % 2}`, HELLO));
        await pause(20);
        times.push(await call(names[number]));
      }
      const { hits = 0, misses = 0, zygotes = [] } = await facts();
      const rate = hits + misses === 0 ? '-' : `${Math.round((100 * hits) / (hits + misses))} %`;
      rows.push([...rowOf(what, times), rate, zygotes.length]);
    });
  }
  process.stdout.write(`${table(rows)}\n`);
}

/** Wheels of one module each that takes 5 to 80 ms to import and 1 to 8 MB. */
async function makeWheels(dir) {
  mkdirSync(dir);
  const code = `
import sys, zipfile
for n in range(${PACKAGES}):
    name = f"zipf_{n:02}"
    source = f"import time\\nend = time.perf_counter() + {(5 + (n * 37) % 76) / 1000}\\nwhile time.perf_counter() < end: pass\\nDATA = bytearray({1 + n % 8} << 20)\\n"
    info = f"{name}-1.0.dist-info"
    files = {f"{name}.py": source, f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: bench\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"}
    with zipfile.ZipFile(f"{sys.argv[1]}/{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"]))
`;
  await run('python3', ['-c', code, dir]);
}

/** One to four packages, popular ones in most. */
function choose(random) {
  const chosen = new Set();
  const count = 1 + Math.floor(random() * 4);
  while (chosen.size < count) chosen.add(`zipf_${String(zipf(random, PACKAGES)).padStart(2, '0')}`);
  return [...chosen].sort();
}

function zipf(random, count) {
  const weights = Array.from({ length: count }, (_, at) => 1 / (at + 1));
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [at, weight] of weights.entries()) {
    left -= weight;
    if (left <= 0) return at;
  }
  return count - 1;
}

/** The same numbers in every run. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

async function withWorker(temp, settings, use) {
  const cluster = mkdtempSync(join(temp, 'cluster-'));
  rmSync(cluster, { recursive: true });
  const admin = async (command, ...args) =>
    (await run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args])).stdout;
  await admin('new');
  const common = { instances_max: 500, packages_wait_ms: 300_000, packages_dir: join(temp, 'packages') };
  await admin('setconf', JSON.stringify({ ...common, ...settings }));
  await admin('workers', '--port=0');
  try {
    const port = Number(/http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(await admin('status'))?.[1]);
    await use({
      lambda(name, code, requirements) {
        const dir = join(cluster, 'registry', name);
        mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, 'lambda_func.py'), code);
        if (requirements !== undefined) writeFileSync(join(dir, 'requirements.txt'), requirements);
        return name;
      },
      async call(name) {
        const began = performance.now();
        const answer = await fetch(`http://127.0.0.1:${port}/runLambda/${name}`, { method: 'POST', body: '{}' });
        const text = await answer.text();
        if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${text}`);
        return performance.now() - began;
      },
      async facts() {
        const { workers } = JSON.parse(await admin('zygotes', '--json'));
        return workers[0].import_cache ?? { zygotes: [] };
      },
    });
  } finally {
    await admin('kill');
    rmSync(cluster, { recursive: true });
  }
}

function rowOf(what, times) {
  const { n, p50, p99, max } = summary(times);
  return [what, n, p50, p99, max];
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

await main();
