#!/usr/bin/env node
/**
 * How soon the console is seen: its first paint in a real Chromium that has never been there, and how much is sent for it.
 * Chromium's own part is beside it, a page of one word from the same worker, because it is the larger one.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { buildProgram } from '../scripts/build.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);
const LOADS = 20;
const PROMISED = { paintMs: 300, bytes: 60_000 };

async function main() {
  await buildProgram();
  process.stdout.write(`${cpus().length} cores, kernel ${release()}, load ${round(loadavg()[0])}\n\n`);
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  mkdirSync(join(cluster, 'registry/hello'));
  writeFileSync(join(cluster, 'registry/hello/lambda_func.py'), 'def handler(event):\n    return 1\n');
  await admin('workers', '--port=0');
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    const { stdout } = await admin('status');
    const url = `http://127.0.0.1:${/:(\d+)\/status => ready/.exec(stdout)[1]}`;
    const word = await paints(browser, `${url}/status`);
    const page = await paints(browser, `${url}/console/`);
    const rows = [['first paint (ms)', 'p50', 'p99']];
    for (const [name, { times }] of [
      ['floor: a page of one word', word],
      ['the console', page],
    ]) {
      const { p50, p99 } = summary(times);
      rows.push([name, round(p50), round(p99)]);
    }
    process.stdout.write(`${table(rows)}\n\n${page.bytes} bytes are sent for it, compressed\n`);
    const kept = summary(page.times).p50 < PROMISED.paintMs && page.bytes < PROMISED.bytes;
    process.stdout.write(`promised: ${PROMISED.paintMs} ms, ${PROMISED.bytes} bytes: ${kept ? 'kept' : 'NOT KEPT'}\n`);
    process.exitCode = kept ? 0 : 1;
  } finally {
    await browser.close();
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
}

/** Each by a browser profile of its own, so that nothing is cached. */
async function paints(browser, url) {
  const times = [];
  let bytes = 0;
  for (let load = 0; load < LOADS; load += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    times.push(await page.evaluate(firstPaint));
    bytes = await page.evaluate(bytesSent);
    await context.close();
  }
  return { times, bytes };
}

/** In the page: milliseconds from the begin of its navigation. */
function firstPaint() {
  return new Promise((tell) => {
    new PerformanceObserver((list) => {
      const paint = list.getEntriesByName('first-contentful-paint')[0];
      if (paint !== undefined) tell(paint.startTime);
    }).observe({ type: 'paint', buffered: true });
  });
}

/** In the page: what its own files take, not what it asks for afterwards. */
function bytesSent() {
  return ['navigation', 'resource']
    .flatMap((type) => performance.getEntriesByType(type))
    .filter(({ name }) => !name.includes('/api/'))
    .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
}

await main();
