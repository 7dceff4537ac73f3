import { execFile } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../config/failure.ts';
import { PYTHON_MIN, PYTHON_WAIT_MS } from '../config/limits.ts';
import { insideRoot } from '../lib/inside-root.ts';
import { type Base, PYTHON_PLACES } from './base.ts';

const run = promisify(execFile);

/** A Python that sandboxes can see. */
export interface Python {
  /** Absolute path inside the base. */
  path: string;
  version: string;
}

/**
 * Where sandboxes with this machine as their base look: /usr and what links into it. A pyenv shim
 * or a virtual environment, which comes first on PATH on some machines, lies elsewhere.
 */
const VISIBLE = '/usr/';

const ASK =
  'import os,sys\n' +
  'print("%d.%d.%d" % sys.version_info[:3], os.path.realpath(sys.executable), os.path.realpath(sys.base_prefix), sep="\\n")';

/** `wanted` is the setting `python`; empty to look for one. Throws Failure `machine-unfit`. */
export async function findPython(base: Base, wanted: string): Promise<Python> {
  return base.kind === 'host' ? findOnHost(wanted) : findInDirectory(base.path, wanted);
}

async function findOnHost(wanted: string): Promise<Python> {
  const refused: string[] = [];
  for (const candidate of wanted === '' ? hostCandidates() : [wanted]) {
    const judged = await judgeOnHost(candidate);
    if (typeof judged !== 'string') return judged;
    refused.push(`${candidate}: ${judged}`);
  }
  const lack =
    wanted === ''
      ? 'there is no Python below /usr that sandboxes could run'
      : `the setting "python" names ${wanted}, which does not do`;
  const mend = wanted === '' ? '`apt-get install python3` mends it' : 'set it to "" to have one looked for';
  throw new Failure('machine-unfit', `${lack}; ${mend}`, { problems: refused });
}

function hostCandidates(): string[] {
  const onPath = (process.env.PATH ?? '').split(':').filter((dir) => dir.startsWith('/'));
  const places = ['/usr/bin', '/usr/local/bin', ...onPath].map((dir) => join(dir, 'python3'));
  return [...new Set(places)].filter((place) => realPathOf(place) !== undefined);
}

/** The Python, or why it is none. */
async function judgeOnHost(candidate: string): Promise<Python | string> {
  const real = realPathOf(candidate);
  if (real === undefined) return 'it can not be executed';
  // A shim is a script that needs its home directory: refused before it runs.
  if (!real.startsWith(VISIBLE)) return `it leads to ${real}, outside /usr, where sandboxes do not look`;
  const said = await ask(candidate, []);
  if (said === undefined) return 'it does not run';
  const [version, executable, prefix] = said;
  if (!`${executable}/`.startsWith(VISIBLE)) return `it runs ${executable}, outside /usr, where sandboxes do not look`;
  if (!`${prefix}/`.startsWith(VISIBLE))
    return `its library is in ${prefix}, outside /usr, where sandboxes do not look`;
  return isNewEnough(version) ? { path: executable, version } : tooOld(version);
}

async function findInDirectory(root: string, wanted: string): Promise<Python> {
  const refused: string[] = [];
  for (const place of wanted === '' ? PYTHON_PLACES : [wanted]) {
    const real = insideRoot(root, place);
    if (real === undefined) continue;
    const path = real.slice(root.replace(/\/+$/, '').length);
    const version = await versionInDirectory(root, path);
    if (version !== undefined && isNewEnough(version)) return { path, version };
    refused.push(`${place}: ${version === undefined ? 'it does not say its version' : tooOld(version)}`);
  }
  const where = wanted === '' ? PYTHON_PLACES.join(', ') : wanted;
  throw new Failure('machine-unfit', `the base ${root} has no usable Python at ${where}`, { problems: refused });
}

/**
 * Asked by running it with the base as its root, which takes root or a user namespace; where
 * neither is to be had, its name says enough: `python3.11`.
 */
async function versionInDirectory(root: string, path: string): Promise<string | undefined> {
  const chroot = ['chroot', root, path];
  const command = process.getuid?.() === 0 ? chroot : ['unshare', '--user', '--map-root-user', ...chroot];
  const said = await ask(command[0] as string, command.slice(1));
  return said?.[0] ?? /^python(3\.[0-9]+)$/.exec(basename(path))?.[1];
}

async function ask(program: string, before: readonly string[]): Promise<[string, string, string] | undefined> {
  try {
    // -I: no PYTHON* variables and no user's modules; -S: no site, which would start a virtual environment.
    const { stdout } = await run(program, [...before, '-I', '-S', '-c', ASK], {
      timeout: PYTHON_WAIT_MS,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    });
    const [version, executable, prefix] = stdout.trimEnd().split('\n');
    if (version === undefined || executable === undefined || prefix === undefined) return undefined;
    return [version, executable, prefix];
  } catch {
    return undefined;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > PYTHON_MIN[0] || (major === PYTHON_MIN[0] && minor >= PYTHON_MIN[1]);
}

function tooOld(version: string): string {
  return `it is ${version}; ${PYTHON_MIN.join('.')} or newer is needed`;
}

function realPathOf(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    // Its directory may be a link as well: /bin is one to /usr/bin.
    return realpathSync(join(realpathSync(dirname(path)), basename(path)));
  } catch {
    return undefined;
  }
}
