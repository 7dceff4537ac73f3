import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findPython, type Python } from '../cluster/python.ts';
import { Failure } from '../config/failure.ts';
import { PYTHON_WAIT_MS } from '../config/limits.ts';
import type { Check } from './machine-check.ts';
import { programDir } from './program-dir.ts';

const run = promisify(execFile);

const OWN_IDS = 'import sys; sys.path.insert(0, sys.argv[1]); from spawner import own_ids; own_ids.main()';

/** Each worker holds three descriptors per instance, its spawner two. */
const OPEN_FILES_MIN = 8_192;

export interface HostChecks {
  checks: Check[];
  /** The Python that sandboxes can see, if there is one. */
  python: string | undefined;
}

/** Everything that is not the kernel's business. */
export async function checkHost(): Promise<HostChecks> {
  const python = await lookForPython();
  const found = 'path' in python ? python : undefined;
  const checks = await Promise.all([
    userCheck(found),
    nodeCheck(),
    pythonCheck(python),
    flockCheck(),
    openFilesCheck(),
    pipCheck(found),
    sqliteCheck(),
  ]);
  return { checks, python: found?.path };
}

async function lookForPython(): Promise<Python | Failure> {
  try {
    return await findPython({ kind: 'host', etcDir: '' }, '');
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

function pythonCheck(python: Python | Failure): Check {
  const name = 'Python that sandboxes can see';
  if (!(python instanceof Failure))
    return { name, state: 'ok', needed: true, found: `${python.version} at ${python.path}` };
  const found = [python.message, ...python.problems].join('; ');
  return {
    name,
    state: 'missing',
    needed: true,
    found,
    means: 'no handler can run',
    mend: 'apt-get install -y python3',
  };
}

/** Tries it as a worker would: what its sandboxes are told apart by. */
async function userCheck(python: Python | undefined): Promise<Check> {
  const name = 'user';
  if (process.getuid?.() === 0) return { name, state: 'ok', needed: false, found: 'root' };
  const lack = {
    name,
    state: 'weaker',
    needed: false,
    means: 'all sandboxes have the id of this user; that base and packages are read-only rests on the filter alone',
    mend: 'apt-get install -y uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME (both as root)',
  } as const;
  if (python === undefined) return { ...lack, found: 'without root' };
  try {
    const args = ['-I', '-S', '-B', '-c', OWN_IDS, join(programDir(), 'sandbox', 'sock')];
    const { stdout } = await run(python.path, args, { timeout: PYTHON_WAIT_MS });
    const { uses, weaker } = JSON.parse(stdout) as { uses: string; weaker: string[] };
    if (weaker.length > 0) return { ...lack, found: `without root: ${weaker.join('; ')}` };
    return { name, state: 'ok', needed: false, found: `without root: ${uses}` };
  } catch (error) {
    const said = error instanceof Error ? (error.message.trim().split('\n').at(-1) as string) : String(error);
    return { ...lack, found: `without root: ${said}` };
  }
}

function nodeCheck(): Check {
  // The launcher refuses an older one; this says which it chose.
  return { name: 'Node', state: 'ok', needed: true, found: `${process.versions.node} at ${process.execPath}` };
}

function flockCheck(): Check {
  const name = 'flock';
  const place = onPath('flock');
  if (place !== undefined) return { name, state: 'ok', needed: true, found: place };
  const means = 'workers in the background can not be told from dead ones';
  return { name, state: 'missing', needed: true, found: 'not on PATH', means, mend: 'apt-get install -y util-linux' };
}

function openFilesCheck(): Check {
  const name = 'open files';
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 'unknown';
  const found = `${hard} per process`;
  if (hard === 'unlimited' || Number(hard) >= OPEN_FILES_MIN) return { name, state: 'ok', needed: false, found };
  const means = 'fewer instances can live at the same time than "instances_max" allows';
  return { name, state: 'weaker', needed: false, found, means, mend: `ulimit -n ${OPEN_FILES_MIN}` };
}

async function pipCheck(python: Python | undefined): Promise<Check> {
  const name = 'pip';
  const lack = {
    name,
    state: 'missing',
    needed: false,
    means: 'lambdas with packages need it; others do not',
  } as const;
  if (python === undefined) return { ...lack, found: 'no Python' };
  try {
    const code = 'import importlib.metadata as m; print(m.version("pip"))';
    const { stdout } = await run(python.path, ['-I', '-c', code], { timeout: PYTHON_WAIT_MS });
    return { name, state: 'ok', needed: false, found: `${stdout.trim()} for ${python.path}` };
  } catch {
    return { ...lack, found: `not for ${python.path}`, mend: 'apt-get install -y python3-pip' };
  }
}

/** In a process of its own: a module compiled for another Node can end the one that loads it. */
async function sqliteCheck(): Promise<Check> {
  const name = 'better-sqlite3';
  try {
    const code =
      "const D = require('better-sqlite3'); process.stdout.write(require('better-sqlite3/package.json').version); new D(':memory:')";
    const { stdout } = await run(process.execPath, ['-e', code], { cwd: programDir(), timeout: PYTHON_WAIT_MS });
    return { name, state: 'ok', needed: false, found: stdout };
  } catch (error) {
    const said = error instanceof Error ? (/Error: .*/.exec(error.message)?.[0] ?? 'it does not load') : String(error);
    return {
      name,
      state: 'missing',
      needed: false,
      found: said.replace(/^Error: /, ''),
      means: 'nothing in this version needs it; lambdas run without',
      mend: 'npm rebuild better-sqlite3',
    };
  }
}

function onPath(program: string): string | undefined {
  const dirs = (process.env.PATH ?? '').split(':').filter((dir) => dir !== '');
  return dirs.map((dir) => join(dir, program)).find((place) => existsSync(place));
}
