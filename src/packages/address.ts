/**
 * Where exactly a wheel is, said in place of a version: an address, or a file beside the lambda's code. It comes with
 * a stranger's code, so it counts only where the setting `packages_allow` says so, and never leads to this machine's own
 * files.
 */
import type { PackageLiberty } from '../config/settings.ts';
import { readSourceName, readWheelName } from './resolution.ts';

/** What lists of packages may say here. */
export interface Liberties {
  /** The setting `packages_allow`. */
  readonly allow: readonly PackageLiberty[];
  /** Whether source distributions are built. */
  readonly builds: boolean;
}

export const NO_LIBERTIES: Liberties = { allow: [], builds: false };

/** Why nothing is built. */
export const NO_BUILDS = 'only wheels are taken (the setting packages_build is "off")';

/** `at` is an address, or a path that begins with `./` and stays below the lambda's directory. */
export interface Place {
  readonly at: string;
  /** Name of the last part, without percent signs. */
  readonly file: string;
}

/** Adds to a refusal what would lift it. */
export function unlessAllowed(what: string, liberty: PackageLiberty): string {
  return `${what} (the setting packages_allow does not have "${liberty}"; \`admin setconf\` adds it)`;
}

const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

export function isAddress(text: string): boolean {
  return SCHEME.test(text);
}

/** The address of an index, a page of links or a file; or what is wrong with it. */
export function readAddress(text: string, { allow }: Liberties): Place | string {
  if (!allow.includes('urls')) return unlessAllowed('addresses are not allowed; name a package and a version', 'urls');
  const scheme = SCHEME.exec(text)?.[1]?.toLowerCase() ?? '';
  if (scheme.includes('+')) return 'a repository is no wheel';
  if (scheme !== 'https' && scheme !== 'http') return 'an address begins with https:// or http://';
  if (/\s/.test(text) || !URL.canParse(text)) return `"${text}" is no address`;
  const { username, password, pathname } = new URL(text);
  if (username !== '' || password !== '') {
    return 'an address with a name or a password is not allowed; those belong in the configuration of pip on the worker';
  }
  return { at: text, file: decoded(pathname.split('/').at(-1) as string) };
}

/** A path below the lambda's directory; or what is wrong with it. `from` is where it starts: a directory there. */
export function readPath(text: string, { allow }: Liberties, from = ''): Place | string {
  if (!allow.includes('paths')) return unlessAllowed('paths are not allowed; name a package and a version', 'paths');
  if (/^[/~]/.test(text)) return "a path begins in the lambda's own directory, as in ./wheels/one-1.0-py3-none-any.whl";
  const segments = [...from.split('/'), ...text.split('/')].filter((one) => one !== '' && one !== '.');
  if (segments.includes('..')) return "a path with .. is not allowed; it stays in the lambda's directory";
  if (!segments.every((one) => SEGMENT.test(one))) return 'a path has letters, digits and ._+!@- only';
  return { at: `./${segments.join('/')}`, file: segments.at(-1) ?? '' };
}

const SEGMENT = /^[\w.+!@-]+$/;

/** The package that a file of this name is of, or why that is none. */
export function packageOf({ file }: Place, { builds }: Liberties): { name: string } | string {
  const source = readSourceName(file);
  if (source !== undefined) return builds ? source : `${file} is a source distribution; ${NO_BUILDS}`;
  return readWheelName(file) ?? `"${file}" is not the name of a wheel, such as one-1.0-py3-none-any.whl`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // No wheel is called that.
  }
}
