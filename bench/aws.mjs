#!/usr/bin/env node
/**
 * What AWS's API costs a warm call: Invoke, signed and checked, beside /runLambda, by turns over one connection each.
 * Promised: 0.3 ms more at most, p50. Needs a python3 with boto3; takes a minute.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const KEYS = { access_key: 'BENCH', secret_key: 'of-a-benchmark' };
const COUNT = 5_000;

await buildProgram();
const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
const cluster = join(temp, 'cluster');
const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
await admin('new');
writeFileSync(join(cluster, 'config/aws-keys.json'), JSON.stringify(KEYS), { mode: 0o600 });
cpSync(join(ROOT, 'handlers/echo'), join(cluster, 'registry/echo'), { recursive: true });
await admin('workers', '--port=0');
try {
  const { stdout: status } = await admin('status');
  const port = /http:\/\/[^\s:]+:(\d+)\/status => ready/.exec(status)?.[1];
  if (port === undefined) throw new Error(readFileSync(join(cluster, 'logs/worker-0.out'), 'utf8'));
  const script = join(ROOT, 'bench/aws_calls.py');
  const args = [script, port, String(COUNT), KEYS.access_key, KEYS.secret_key];
  const { stdout } = await run('python3', args, { maxBuffer: 2 ** 26 });
  const all = Object.entries(JSON.parse(stdout)).map(([name, times]) => [name, summary(times)]);
  process.stdout.write(
    `${table([['ms', 'p50', 'p99', 'max'], ...all.map(([name, { p50, p99, max }]) => [name, p50, p99, max])])}\n`,
  );
  const { runLambda, invoke } = Object.fromEntries(all);
  process.stdout.write(
    `Invoke takes ${round(invoke.p50 - runLambda.p50)} ms more than /runLambda, p50; promised: 0.3 at most\n`,
  );
} finally {
  await admin('kill');
  rmSync(temp, { recursive: true });
}
