#!/usr/bin/env node
/**
 * Measures the built program, each figure beside a floor or a peer of the same run, because this machine an hour ago is
 * another machine: compare ratios, absolute times drift. Takes under ten minutes, less what peers take to be installed.
 *
 *     npm run bench [-- --only=cold,warm] [-- --require]
 *
 * Writes a table, all figures as JSON and a plot of each group to bench/results/<time>/. A peer that this machine can
 * not have is listed by name, with the reason; `--require` makes that an error.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { ROOT, run } from './bed.mjs';
import { Figures } from './figures.mjs';
import { measureCold } from './parts/cold.mjs';
import { measureIsolated } from './parts/isolated.mjs';
import { measureMemory } from './parts/memory.mjs';
import { measureOverload } from './parts/overload.mjs';
import { measurePackages } from './parts/packages.mjs';
import { measureSessions } from './parts/sessions.mjs';
import { measureWarm } from './parts/warm.mjs';
import { measureProcesses } from './peers/processes.mjs';
import { measureServers } from './peers/servers.mjs';
import { plot } from './plot.mjs';
import { round } from './stats.mjs';

const PARTS = {
  cold: measureCold,
  isolated: measureIsolated,
  packages: measurePackages,
  warm: measureWarm,
  memory: measureMemory,
  overload: measureOverload,
  sessions: measureSessions,
  processes: measureProcesses,
  servers: measureServers,
};
const OPTIONS = { only: { type: 'string' }, require: { type: 'boolean', default: false } };

async function main() {
  const { only, require } = parseArgs({ options: OPTIONS }).values;
  const wanted = only?.split(',') ?? Object.keys(PARTS);
  const unknown = wanted.filter((name) => !(name in PARTS));
  if (unknown.length > 0) throw new Error(`no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  await buildProgram();
  const figures = new Figures();
  const machine = await machineFacts();
  const began = performance.now();
  for (const name of wanted) {
    const since = performance.now();
    await PARTS[name](figures);
    process.stderr.write(`${name}: ${Math.round((performance.now() - since) / 1_000)} s\n`);
  }
  const facts = {
    ...machine,
    loadAfter: loadavg().map(round),
    seconds: Math.round((performance.now() - began) / 1_000),
  };
  const text = `${heading(facts)}\n\n${figures.text()}`;
  process.stdout.write(`\n${text}`);
  process.stdout.write(`\nwritten to ${relative(process.cwd(), write(facts, figures, text))}/\n`);
  if (require && figures.missing.length > 0) process.exitCode = 1;
}

async function machineFacts() {
  const { stdout } = await run('/usr/bin/python3', ['--version']);
  const versions = { kernel: release(), node: process.versions.node, python: stdout.trim().split(' ')[1] };
  return { ...versions, cores: cpus().length, cpu: cpus()[0]?.model, load: loadavg().map(round) };
}

function heading({ cores, cpu, kernel, node, python, load, loadAfter, seconds }) {
  return `${cores} cores (${cpu}), kernel ${kernel}, Node ${node}, Python ${python}; load ${load[0]} before, ${loadAfter[0]} after; ${seconds} s`;
}

function write(machine, figures, text) {
  const dir = join(ROOT, 'bench/results', new Date().toISOString().replaceAll(':', '-'));
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'table.txt'), text);
  writeFileSync(join(dir, 'figures.json'), `${JSON.stringify({ machine, ...figures.toJSON() }, null, 2)}\n`);
  for (const group of figures.groups()) {
    writeFileSync(join(dir, `${group.replaceAll(/[^a-z0-9]+/gi, '-')}.svg`), plot(group, figures.rowsOf(group)));
  }
  return dir;
}

await main();
