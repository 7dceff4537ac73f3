#!/usr/bin/env node
/**
 * Says by its exit code whether node_modules holds what package-lock.json asks for, or with
 * --sqlite whether better-sqlite3 works. Asks no network and needs no npm.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

/** Optional packages may be missing: they are for other machines, or could not be built. */
function allInstalled() {
  const installed = packagesIn('node_modules/.package-lock.json');
  return Object.entries(packagesIn('package-lock.json')).every(([path, wanted]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found === undefined) return wanted.optional === true;
    return found.version === wanted.version && existsSync(join(ROOT, path, 'package.json'));
  });
}

function sqliteWorks() {
  try {
    const Database = createRequire(join(ROOT, 'package.json'))('better-sqlite3');
    new Database(':memory:').close();
    return true;
  } catch {
    return false;
  }
}

process.exitCode = (process.argv[2] === '--sqlite' ? sqliteWorks() : allInstalled()) ? 0 : 1;
