#!/usr/bin/env node
/**
 * Makes what a release consists of in dist/release/: the single file, its checksum, and the notes, which are this
 * version's part of CHANGELOG.md. Publishes nothing. Refuses what could not be made again: a tree with changes, or a
 * version without notes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const OUT = join(ROOT, 'dist/release');

function main() {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const changed = git('status', '--porcelain');
  if (changed !== '') throw new Error(`there are changes that are not committed:\n${changed}`);
  const notes = notesOf(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version);
  buildBinary();
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const name = `admin-${version}-linux-${process.arch}`;
  copyFileSync(join(ROOT, 'dist', `admin-linux-${process.arch}`), join(OUT, name));
  const digest = createHash('sha256')
    .update(readFileSync(join(OUT, name)))
    .digest('hex');
  writeFileSync(join(OUT, 'SHA256SUMS'), `${digest}  ${name}\n`);
  writeFileSync(join(OUT, 'NOTES.md'), `# Isla ${version}\n\n${notes}\n\nCommit ${git('rev-parse', 'HEAD')}\n`);
  process.stdout.write(`dist/release/: ${name}, SHA256SUMS, NOTES.md\nnothing was published\n`);
}

/** postject warns about every section of Node's: what it says is shown only if nothing came of it. */
function buildBinary() {
  try {
    execFileSync(process.execPath, ['scripts/build-binary.mjs'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'pipe'] });
  } catch (error) {
    throw new Error(`the single file can not be built (is ./quickstart/deps.sh done?):\n${error.stderr}`);
  }
}

/** What stands below the version's heading. */
function notesOf(changelog, version) {
  const parts = changelog.split(/^## /m).slice(1);
  const part = parts.find((one) => one.split('\n')[0].split(' ')[0] === version);
  if (part === undefined)
    throw new Error(`CHANGELOG.md says nothing of ${version}: give its part a heading, "## ${version}"`);
  return part.split('\n').slice(1).join('\n').trim();
}

function git(...args) {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
}

try {
  main();
} catch (error) {
  process.stderr.write(`release: ${error.message}\n`);
  process.exitCode = 1;
}
