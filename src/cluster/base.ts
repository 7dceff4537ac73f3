import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { Settings } from '../config/settings.ts';
import { errnoOf, errnoWords } from '../lib/errno.ts';
import { insideRoot } from '../lib/inside-root.ts';
import { writeEtc } from './etc.ts';
import { etcDirOf } from './layout.ts';
import { unpackBase } from './tarball.ts';

/** What sandboxes see as their system. */
export type Base =
  /** This machine's own /usr, with an /etc of our making. */
  | { kind: 'host'; etcDir: string }
  /** A root file system. */
  | { kind: 'directory'; path: string };

/** Where a Python may be in a root file system, relative to it. */
export const PYTHON_PLACES = ['/usr/bin/python3', '/usr/local/bin/python3', '/bin/python3'];

const TARBALL = /\.(tar|tar\.gz|tgz|tar\.xz)$/;
const LOADER_DIRS = ['/lib64', '/lib', '/usr/lib64', '/usr/lib'];
const LOADER = /^ld-(linux.*|musl.*|[0-9.]+)\.so/;

/**
 * Makes the base ready for use: writes the missing /etc, unpacks the tarball, looks whether the
 * directory can be a base at all. Throws Failure `config-invalid` if it can not.
 */
export async function resolveBase(settings: Pick<Settings, 'base' | 'base_dir'>): Promise<Base> {
  if (settings.base === 'host') return { kind: 'host', etcDir: ensureEtc(settings.base_dir) };
  const stats = statSync(settings.base, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new Failure(
      'config-invalid',
      `the base ${settings.base} does not exist; set "base" to "host" or to what does`,
    );
  if (stats.isDirectory()) return { kind: 'directory', path: checked(settings.base, settings.base) };
  if (!stats.isFile() || !TARBALL.test(settings.base)) {
    throw new Failure(
      'config-invalid',
      `the base ${settings.base} is neither a directory nor a .tar, .tar.gz, .tgz or .tar.xz`,
    );
  }
  const path = await unpackBase(settings.base, settings.base_dir, (root) => checked(root, settings.base));
  return { kind: 'directory', path };
}

/** Unpacks a tarball for good: what the settings then name is the directory, which the tarball is not needed for. */
export async function keepTarball(tarball: string, baseDir: string): Promise<string> {
  if (!existsSync(tarball)) throw new Failure('config-invalid', `the tarball ${tarball} does not exist`);
  return unpackBase(tarball, baseDir, (root) => checked(root, tarball));
}

/** The made /etc, written now if it is not there yet. Several workers may want it at once. */
export function ensureEtc(baseDir: string): string {
  const target = etcDirOf(baseDir);
  if (existsSync(target)) return target;
  let temporary: string | undefined;
  try {
    temporary = mkdtempSync(join(baseDir, `.${basename(target)}.`));
    writeEtc(temporary);
    renameSync(temporary, target);
    return target;
  } catch (error) {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
    if (isTaken(error)) return target; // Another worker was faster.
    throw new Failure('config-invalid', `can not write ${target}: ${errnoWords(error)}`, { cause: error });
  }
}

function checked(root: string, name: string): string {
  const python = PYTHON_PLACES.some((place) => insideRoot(root, place) !== undefined);
  const loader = LOADER_DIRS.some((dir) => hasLoader(root, dir));
  const lacks = [
    ...(python ? [] : ['no python3 in /usr/bin, /usr/local/bin or /bin']),
    ...(loader ? [] : ['no dynamic loader in /lib or /lib64']),
  ];
  if (lacks.length === 0) return root;
  throw new Failure(
    'config-invalid',
    `the base ${name} has ${lacks.join(' and ')}; it must be a whole root file system, such as \`docker export\` gives`,
  );
}

function hasLoader(root: string, dir: string): boolean {
  const real = insideRoot(root, dir);
  if (real === undefined || !statSync(real).isDirectory()) return false;
  return readdirSync(real).some((name) => LOADER.test(name));
}

function isTaken(error: unknown): boolean {
  return errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST';
}
