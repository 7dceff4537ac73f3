import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Failure } from '../config/failure.ts';
import { CONFIG_BYTES_MAX } from '../config/limits.ts';
import { type Origin, parseSettings, parseWorkerSettings } from '../config/parse.ts';
import type { Settings, WorkerSettings } from '../config/settings.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { jsonFault } from '../lib/json-fault.ts';
import { shellQuote } from '../lib/shell-quote.ts';

/** Reads `config/template.json` of a cluster. */
export function readTemplate(path: string): Settings {
  return parseSettings(readJson(path), templateOrigin(path));
}

/** Reads a worker's configuration: `config/worker-<N>.json`, or any file for `worker-exec`. */
export function readWorkerConfig(path: string): WorkerSettings {
  return parseWorkerSettings(readJson(path), originOf(path));
}

/** The file's JSON, unjudged. Throws Failure `config-missing` or `config-invalid`. */
export function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    const fault = jsonFault(text);
    const place =
      fault === undefined ? '' : `: ${fault.found} can not stand at line ${fault.line}, column ${fault.column}`;
    throw new Failure('config-invalid', `${path} is not JSON${place}`, {
      cause: error,
      problems: [`correct it there, or give every setting its default: echo '{}' > ${shellQuote(path)}`],
    });
  }
}

/** Who writes `registry` into a cluster's template, or says it to `setconf`, means that of the cluster. */
export function templateOrigin(path: string): Origin {
  const rootDir = dirname(dirname(path));
  return { name: path, dir: rootDir, rootDir };
}

/** A file in a cluster's `config` belongs to that cluster; any other has its own directory for root. */
function originOf(path: string): Origin {
  const dir = dirname(path);
  return { name: path, dir, rootDir: basename(dir) === 'config' ? dirname(dir) : dir };
}

function readText(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    const code = errnoOf(error) === 'ENOENT' ? 'config-missing' : 'config-invalid';
    throw new Failure(code, `can not read ${path}: ${errnoWords(error)}`, { cause: error });
  }
  try {
    const stats = fstatSync(fd);
    if (stats.isDirectory()) throw new Failure('config-invalid', `${path} is a directory; name a file in it`);
    const { size } = stats;
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
