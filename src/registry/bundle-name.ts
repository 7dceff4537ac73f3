/** Names inside a bundle: which are legal, which are the same to somebody, and how a message shows them. */
import { Failure } from '../config/failure.ts';
import { BUNDLE_NAME_BYTES_MAX, BUNDLE_PATH_BYTES_MAX, TREE_DEPTH_MAX } from './limits.ts';
import { isLeftOut } from './tree.ts';

/** Throws Failure `lambda-invalid`, as everything about a bundle does. */
export function refuse(problem: string, cause?: unknown): never {
  throw refusal(problem, cause);
}

export function refusal(problem: string, cause?: unknown): Failure {
  return new Failure('lambda-invalid', `the bundle can not be used: ${problem}`, { cause });
}

/** C0 and C1 controls with NUL, line separators, and what turns the direction of the text around it. */
const UNSHOWABLE = /[\p{Cc}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

/** The parts of an entry's path; none for the bundle's own root. Throws Failure `lambda-invalid`. */
export function entryParts(name: string): string[] {
  if (Buffer.byteLength(name) > BUNDLE_PATH_BYTES_MAX) {
    refuse(`the path ${shown(name)} has more than ${BUNDLE_PATH_BYTES_MAX} bytes`);
  }
  if (name.includes('\u{FFFD}')) refuse(`the name ${shown(name)} is not UTF-8`);
  if (UNSHOWABLE.test(name)) refuse(`the name ${shown(name)} holds a control character`);
  if (name.includes('\\')) refuse(`the name ${shown(name)} holds a backslash; write / between directories`);
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name)) refuse(`the path ${shown(name)} is absolute`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) refuse(`the path ${shown(name)} leads up with ..`);
  const long = parts.find((part) => Buffer.byteLength(part) > BUNDLE_NAME_BYTES_MAX);
  if (long !== undefined) refuse(`the name ${shown(long)} has more than ${BUNDLE_NAME_BYTES_MAX} bytes`);
  // As many directories as a lambda may have, inside the one folder that may be around them.
  if (parts.length > TREE_DEPTH_MAX + 2)
    refuse(`directories are nested more than ${TREE_DEPTH_MAX} deep at ${shown(name)}`);
  return parts;
}

/** Equal for paths that some file system takes for one: other case, or other code points for the same letters. */
export function foldedPath(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

/** No code: what snapshots leave out, and what macOS puts into every archive. */
export function isNoCode(parts: readonly string[]): boolean {
  return (
    parts[0] === '__MACOSX' || parts.some((part) => isLeftOut(part) || part === '.DS_Store' || part.startsWith('._'))
  );
}

/** A name as a message shows it: quoted, cut, and nothing in it that a terminal would obey. */
export function shown(name: string): string {
  const cut = name.length > 80 ? `${name.slice(0, 77)}...` : name;
  const safe = cut.replace(
    /[\p{C}\p{Zl}\p{Zp}"\\]/gu,
    (char) => `\\u{${(char.codePointAt(0) as number).toString(16)}}`,
  );
  return `"${safe}"`;
}
