import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Failure } from '../config/failure.ts';
import { CONFIG_BYTES_MAX } from '../config/limits.ts';
import { type Origin, parseSettings, parseWorkerSettings } from '../config/parse.ts';
import type { Settings, WorkerSettings } from '../config/settings.ts';
import { errnoWords } from '../lib/errno.ts';

/** Reads `config/template.json` of a cluster. */
export function readTemplate(path: string): Settings {
  return parseSettings(readJson(path), originOf(path));
}

/** Reads a worker's configuration: `config/worker-<N>.json`, or any file for `worker-exec`. */
export function readWorkerConfig(path: string): WorkerSettings {
  return parseWorkerSettings(readJson(path), originOf(path));
}

/** The file's JSON, unjudged. Throws Failure `config-invalid`. */
export function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure('config-invalid', `${path} is not JSON: ${reason}`, { cause: error });
  }
}

/** A file in a cluster's `config` belongs to that cluster; any other has its own directory for root. */
export function originOf(path: string): Origin {
  const dir = dirname(path);
  return { name: path, dir, rootDir: basename(dir) === 'config' ? dirname(dir) : dir };
}

function readText(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw new Failure('config-invalid', `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
  try {
    const { size } = fstatSync(fd);
    if (size > CONFIG_BYTES_MAX) {
      throw new Failure(
        'config-invalid',
        `${path} is no configuration: it has ${size} bytes, ${CONFIG_BYTES_MAX} are legal`,
      );
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
