#!/usr/bin/env node
/**
 * Runs every suite, says what was skipped and why, how long each took, and ends with the sum:
 * `N passed, N failed, N skipped`. A suite that is a plain command counts as one test; it skips
 * itself by exiting with 77, as automake's do, its last line of output being the reason.
 *
 * One after the other: in two rows beside each other, on two cores, all took as long, and deadlines ran out.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const EXIT_SKIPPED = 77;

const SUITES = {
  build: () => command(process.execPath, ['scripts/build.mjs']),
  types: () => command('tsc', ['--noEmit']),
  lint: () => command('biome', ['check', '.']),
  shell: () => shellcheck(),
  unit: () => vitest('unit'),
  soak: () => command(process.execPath, ['bench/soak.mjs', '--seconds=30']),
  e2e: () => vitest('e2e'),
  sandbox: () => vitest('sandbox'),
  docker: () => vitest('docker'),
  rootless: () => counted('test/rootless/rootless.sh', []),
  vm: () => counted('test/vm/vm.sh', []),
  fresh: () => command('test/fresh/fresh-machine.sh', []),
  nodes: () => command('test/nodes/other-nodes.sh', []),
};

/** Only run when asked for: it compiles and tests everything once more for each Node. */
const ON_REQUEST = ['nodes'];

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
  const names = wanted.length > 0 ? wanted : Object.keys(SUITES).filter((name) => !ON_REQUEST.includes(name));
  for (const name of names) {
    print(`\n== ${name}`);
    const started = Date.now();
    const reason = name === LAST_SUITE && wanted.length === 0 ? reasonToSkip(sum, started - began) : undefined;
    const result = reason === undefined ? await SUITES[name]() : { passed: 0, failed: 0, skipped: [reason] };
    const took = seconds(Date.now() - started);
    print(`== ${name}: ${sumLine(result)} (${took})`);
    times.push(`${name} ${took}`);
    add(sum, name, result);
  }
  await rm(shared, { recursive: true, force: true });
  print(`\ntimes: ${times.join(', ')}; all ${seconds(Date.now() - began)}`);
  if (sum.skipped.length > 0) print(`\nskipped:\n${sum.skipped.map((one) => `  ${one}`).join('\n')}`);
  // Last, so that the end of a long log says what to look for.
  if (sum.failures.length > 0) print(`\nfailed:\n${sum.failures.map((one) => `  ${one}`).join('\n')}`);
  print(`\n${sumLine(sum)}`);
  return sum.failed > 0 || sum.passed === 0 ? 1 : 0;
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

async function command(file, args) {
  const { status, lastLine } = await run(file, args);
  if (status === EXIT_SKIPPED) return { passed: 0, failed: 0, skipped: [lastLine] };
  return status === 0 ? { passed: 1, failed: 0, skipped: [] } : { passed: 0, failed: 1, skipped: [] };
}

async function shellcheck() {
  const onPath = process.env.PATH.split(delimiter).some((dir) => existsSync(join(dir, 'shellcheck')));
  if (!onPath) return { passed: 0, failed: 0, skipped: ['shellcheck is not installed'] };
  return command('shellcheck', ['-x', ...SHELL_SCRIPTS]);
}

function vitest(project) {
  const reporters = ['--reporter=default', '--reporter=./scripts/count-reporter.mjs'];
  return counted('vitest', ['run', '--project', project, '--passWithNoTests', ...reporters]);
}

/** Counts are written by our reporter, a line for each run: a suite that dies before it has none, and that is a failure. */
async function counted(file, args) {
  const dir = await mkdtemp(join(tmpdir(), 'isla-test-sum-'));
  try {
    const counts = join(dir, 'counts.json');
    const { status, lastLine } = await run(file, args, { ISLA_TEST_COUNTS: counts });
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
function run(file, args, env = {}) {
  const path = `${BIN}${delimiter}${process.env.PATH}`;
  const child = spawn(file, args, {
    cwd: ROOT,
    env: { ...process.env, ...env, PATH: path, FORCE_COLOR: process.stdout.isTTY ? '1' : '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let tail = '';
  child.stdout.setEncoding('utf8').on('data', (piece) => {
    process.stdout.write(piece);
    tail = (tail + piece).slice(-2000);
  });
  return new Promise((done) => {
    child.on('error', (error) => {
      print(String(error));
      done({ status: 127, lastLine: '' });
    });
    child.on('close', (status) => done({ status, lastLine: tail.trimEnd().split('\n').at(-1) }));
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

process.exitCode = await main(process.argv.slice(2));
