#!/usr/bin/env node
/**
 * Runs every suite, says what was skipped and why, how long each took, and ends with the sum:
 * `N passed, N failed, N skipped`. A suite that is a plain command counts as one test; it skips
 * itself by exiting with 77, as automake's do, its last line of output being the reason.
 *
 * The long ones run in two rows beside each other, for much of each is waiting. Whatever they look for on the
 * machine (processes, groups, mounts, containers) they know by the cluster or the daemon that is theirs.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const EXIT_SKIPPED = 77;

/** Each is given a writer for what it prints. */
const SUITES = {
  build: (out) => command(out, process.execPath, ['scripts/build.mjs']),
  types: (out) => command(out, 'tsc', ['--noEmit']),
  lint: (out) => command(out, 'biome', ['check', '.']),
  shell: (out) => shellcheck(out),
  unit: (out) => vitest(out, 'unit'),
  soak: (out) => command(out, process.execPath, ['bench/soak.mjs', '--seconds=30']),
  e2e: (out) => vitest(out, 'e2e'),
  sandbox: (out) => vitest(out, 'sandbox'),
  docker: (out) => vitest(out, 'docker'),
  rootless: (out) => counted(out, 'test/rootless/rootless.sh', []),
  vm: (out) => counted(out, 'test/vm/vm.sh', []),
  fresh: (out) => command(out, 'test/fresh/fresh-machine.sh', []),
  nodes: (out) => command(out, 'test/nodes/other-nodes.sh', []),
};

/** Only run when asked for: it compiles and tests everything once more for each Node. */
const ON_REQUEST = ['nodes'];

/** One after the other, beside those that are not named here and come behind `soak`, which wants the machine for itself. */
const BESIDE = ['sandbox', 'docker'];
/** Behind them, alone: in an emulated machine that shares its processors deadlines of the program itself run out. */
const ALONE = ['vm', 'fresh'];
/** What two rows take at most: the daemon's containers, and the packages of e2e in two dozen zygotes. */
const BESIDE_BYTES_MIN = 12 * 2 ** 30;

const SHELL_SCRIPTS = [
  'quickstart/deps.sh',
  'quickstart/start.sh',
  'quickstart/test.sh',
  '.ci/run',
  'bin/admin',
  'test/debian/machine.sh',
  'test/docker/image.sh',
  'test/fresh/fresh-machine.sh',
  'test/nodes/other-nodes.sh',
  'test/rootless/rootless.sh',
  'test/vm/init.sh',
  'test/vm/vm.sh',
];

/** Takes minutes of network and compiler: not worth it where the answer is known or time is short. */
const LAST_SUITE = 'fresh';
const LAST_SUITE_START_MS_MAX = 60 * 60 * 1000;

async function main(wanted) {
  const unknown = wanted.filter((name) => !(name in SUITES));
  if (unknown.length > 0 || wanted.includes('--list')) {
    print(`suites: ${Object.keys(SUITES).join(' ')}`);
    return wanted.includes('--list') ? 0 : 64;
  }
  const sum = { passed: 0, failed: 0, skipped: [], failures: [] };
  const shared = await mkdtemp(join(tmpdir(), 'isla-test-shared-'));
  // Where the first suite that makes a Debian leaves it for the next.
  process.env.ISLA_DEBIAN_ARCHIVE ??= join(shared, 'debian.tar');
  const began = Date.now();
  const times = [];
  const inTurn = async (names, outputOf) => {
    for (const name of names) {
      print(`\n== ${name}`);
      const started = Date.now();
      const reason = name === LAST_SUITE && wanted.length === 0 ? reasonToSkip(sum, started - began) : undefined;
      const result =
        reason === undefined ? await SUITES[name](outputOf(name)) : { passed: 0, failed: 0, skipped: [reason] };
      const took = seconds(Date.now() - started);
      print(`== ${name}: ${sumLine(result)} (${took})`);
      times.push(`${name} ${took}`);
      add(sum, name, result);
    }
  };
  const asItComes = () => (piece) => process.stdout.write(piece);
  for (const rows of wanted.length > 0 ? [[wanted]] : plan()) {
    await Promise.all(rows.map((names) => inTurn(names, rows.length > 1 ? linesOf : asItComes)));
  }
  await rm(shared, { recursive: true, force: true });
  print(`\ntimes: ${times.join(', ')}; all ${seconds(Date.now() - began)}`);
  if (sum.skipped.length > 0) print(`\nskipped:\n${sum.skipped.map((one) => `  ${one}`).join('\n')}`);
  // Last, so that the end of a long log says what to look for.
  if (sum.failures.length > 0) print(`\nfailed:\n${sum.failures.map((one) => `  ${one}`).join('\n')}`);
  print(`\n${sumLine(sum)}`);
  return sum.failed > 0 || sum.passed === 0 ? 1 : 0;
}

/** Of all suites: rows that run beside each other, and what comes before them. */
function plan() {
  const names = Object.keys(SUITES).filter((name) => !ON_REQUEST.includes(name));
  if (totalmem() < BESIDE_BYTES_MIN) return [[names]];
  const long = names.indexOf('soak') + 1;
  const others = names.slice(long).filter((name) => ![...BESIDE, ...ALONE].includes(name));
  return [[names.slice(0, long)], [others, BESIDE], [ALONE]];
}

/** Writes whole lines, each with the name of its suite before it. */
function linesOf(name) {
  let rest = '';
  return (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) print(`${name} | ${line}`);
  };
}

function add(sum, name, result) {
  sum.passed += result.passed;
  sum.failed += result.failed;
  sum.skipped.push(...result.skipped.map((one) => `${name}: ${one}`));
  // What fails without a name, a command or a run that died, is named by its suite.
  const failures = result.failures ?? [];
  if (failures.length === 0 && result.failed > 0) failures.push('see above');
  sum.failures.push(...failures.map((one) => `${name}: ${one}`));
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

function reasonToSkip(sum, tookMs) {
  if (sum.failed > 0)
    return `a fresh machine is only made when all else has passed (./quickstart/test.sh ${LAST_SUITE})`;
  if (tookMs > LAST_SUITE_START_MS_MAX) return `the other suites took ${Math.round(tookMs / 60_000)} minutes already`;
  return undefined;
}

function sumLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
}

async function command(out, file, args) {
  const { status, lastLine } = await run(out, file, args);
  if (status === EXIT_SKIPPED) return { passed: 0, failed: 0, skipped: [lastLine] };
  return status === 0 ? { passed: 1, failed: 0, skipped: [] } : { passed: 0, failed: 1, skipped: [] };
}

async function shellcheck(out) {
  const onPath = process.env.PATH.split(delimiter).some((dir) => existsSync(join(dir, 'shellcheck')));
  if (!onPath) return { passed: 0, failed: 0, skipped: ['shellcheck is not installed'] };
  return command(out, 'shellcheck', ['-x', ...SHELL_SCRIPTS]);
}

function vitest(out, project) {
  const reporters = ['--reporter=default', '--reporter=./scripts/count-reporter.mjs'];
  return counted(out, 'vitest', ['run', '--project', project, '--passWithNoTests', ...reporters]);
}

/** Counts are written by our reporter, a line for each run: a suite that dies before it has none, and that is a failure. */
async function counted(out, file, args) {
  const dir = await mkdtemp(join(tmpdir(), 'isla-test-sum-'));
  try {
    const counts = join(dir, 'counts.json');
    const { status, lastLine } = await run(out, file, args, { ISLA_TEST_COUNTS: counts });
    if (status === EXIT_SKIPPED) return { passed: 0, failed: 0, skipped: [lastLine] };
    if (!existsSync(counts)) return { passed: 0, failed: 1, skipped: [] };
    const runs = (await readFile(counts, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const result = runs.reduce(added);
    if (status !== 0 && result.failed === 0) result.failed = 1;
    return result;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function added(one, other) {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: [...one.skipped, ...other.skipped],
    failures: [...one.failures, ...other.failures],
  };
}

/** Passes the output through and remembers its last line. */
function run(out, file, args, env = {}) {
  const path = `${BIN}${delimiter}${process.env.PATH}`;
  const child = spawn(file, args, {
    cwd: ROOT,
    env: { ...process.env, ...env, PATH: path, FORCE_COLOR: process.stdout.isTTY ? '1' : '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    out(piece);
    tail = (tail + piece).slice(-2000);
  });
  child.stderr.setEncoding('utf8').on('data', out);
  return new Promise((done) => {
    child.on('error', (error) => {
      out(`${error}\n`);
      done({ status: 127, lastLine: '' });
    });
    child.on('close', (status) => {
      if (tail !== '' && !tail.endsWith('\n')) out('\n');
      done({ status, lastLine: tail.trimEnd().split('\n').at(-1) });
    });
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
