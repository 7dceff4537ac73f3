/**
 * Where a text that is no JavaScript goes wrong. Node tells that of an ES module only to whoever lets the error go
 * uncaught; so a process of its own does, which parses the files and runs none of them.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';

const FLAGS = ['--experimental-vm-modules', '--no-warnings'];
const WAIT_MS = 5_000;
const FILES_MAX = 500;
const OF_FILE = /^(\.{0,2}\/|file:)/;
const MODULE = /\.m?js$/;

/** Name and number of the line, the line and a mark below it; nothing if the file, and those that it imports, are well. */
export function placeOfSyntaxError(path) {
  try {
    execFileSync(process.execPath, [...FLAGS, fileURLToPath(import.meta.url), path], {
      env: {},
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: WAIT_MS,
    });
    return [];
  } catch (error) {
    // It may lack memory or processes: then the place is not told.
    const lines = String(error.stderr ?? '').split('\n');
    const end = lines.findIndex((line) => line.startsWith('SyntaxError'));
    return lines.slice(0, Math.max(0, end)).filter((line) => line !== '');
  }
}

function parseAll(first) {
  const waiting = [first];
  const seen = new Set(waiting.map(String));
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    const parsed = new vm.SourceTextModule(readFileSync(url, 'utf8'), { identifier: url.href });
    for (const name of parsed.dependencySpecifiers) {
      if (!OF_FILE.test(name)) continue;
      const next = new URL(name, url);
      if (!MODULE.test(next.pathname) || seen.has(next.href) || seen.size >= FILES_MAX) continue;
      seen.add(next.href);
      waiting.push(next);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) parseAll(pathToFileURL(process.argv[2]));
