/**
 * One requirement as PEP 508 has it: `name[extra, …] specifiers ; marker`, or `name[extra, …] @ address ; marker`, or
 * a path as pip takes it.
 */
import {
  isAddress,
  type Liberties,
  NO_LIBERTIES,
  type Place,
  packageOf,
  readAddress,
  readPath,
  unlessAllowed,
} from './address.ts';
import { normalName } from './normal-name.ts';

export interface Requirement {
  /** As PEP 503 normalises it: lower case, `-` for every run of `-`, `_` and `.`. */
  readonly name: string;
  /** Normalised and sorted. */
  readonly extras: readonly string[];
  /** PEP 440 clauses as written, without spaces: `>=1.2,<2`; empty for any version. */
  readonly specifier: string;
  /** The environment it is wanted in, as written; empty for every one. */
  readonly marker: string;
  /** `sha256:…` of files that may be installed for it; empty if any may. */
  readonly hashes: readonly string[];
  /** Where its wheel, or source distribution, is: an address, or a path that begins with `./` and stays below the lambda's directory. */
  readonly at?: string;
}

const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?';
const HEAD = new RegExp(`^(${NAME})\\s*(?:\\[([^\\]]*)\\])?\\s*(.*)$`, 's');
/** What begins as a path or ends as a file that pip installs; extras may follow. */
const PATH = /^((?:[./~][^\s[;]*|[^\s[;]*\.(?:whl|zip|tar\.gz|tgz)))(?:\[([^\]]*)\])?$/i;
const WHOLE_NAME = new RegExp(`^${NAME}$`);
/** A version may have an epoch, a local part, and with == and != a `.*`. */
const CLAUSE =
  /^(?:(?:~=|<=|>=|<|>)\s*v?[0-9][A-Za-z0-9._!-]*|(?:==|!=)\s*v?[0-9][A-Za-z0-9._!+-]*(?:\.\*)?|===\s*[^\s,;()]+)$/;
const HASH = /\s+--hash[= ](sha256:[0-9a-f]{64})(?=\s|$)/g;

const MARKER_VARIABLES = [
  'os_name',
  'sys_platform',
  'platform_machine',
  'platform_python_implementation',
  'platform_release',
  'platform_system',
  'platform_version',
  'python_version',
  'python_full_version',
  'implementation_name',
  'implementation_version',
  'extra',
];
const MARKER_TOKEN = /\s*(?:("[^"\\]*"|'[^'\\]*')|(~=|===?|!=|<=|>=|<|>|\(|\))|([a-z_]+))\s*/y;
const MARKER_WORDS = ['and', 'or', 'in', 'not', ...MARKER_VARIABLES];

/** The requirement in one line without its comment, or what is wrong with it, in words. */
export function parseRequirement(line: string, liberties = NO_LIBERTIES): Requirement | string {
  if (line.startsWith('-')) return 'options are not allowed here';
  if (/\$\{/.test(line)) return 'variables of the environment are not replaced here';
  const hashes = [...line.matchAll(HASH)].map((found) => found[1] as string);
  const bare = line.replaceAll(HASH, '').trim();
  if (/\s--?[a-z]/.test(bare)) return 'an option other than --hash=sha256:… is not allowed beside a requirement';
  const { wanted, marker } = splitMarker(bare);
  const read = readWanted(wanted, liberties);
  if (typeof read === 'string') return read;
  const extras = read.extras.split(',').map((extra) => extra.trim());
  const badExtra = extras.find((extra) => extra !== '' && !WHOLE_NAME.test(extra));
  if (badExtra !== undefined) return `"${badExtra}" is not the name of an extra`;
  const markerProblem = marker === undefined ? undefined : problemOfMarker(marker);
  if (markerProblem !== undefined) return markerProblem;
  return {
    name: normalName(read.name),
    extras: extras
      .filter((extra) => extra !== '')
      .map(normalName)
      .sort(),
    specifier: read.specifier,
    marker: marker ?? '',
    hashes,
    ...(read.at === undefined ? {} : { at: read.at }),
  };
}

/** In an address a semicolon is one of its signs, unless there is space before it. */
function splitMarker(bare: string): { wanted: string; marker: string | undefined } {
  const at = bare.search(/:\/\//.test(bare) ? /\s;/ : /;/);
  if (at === -1) return { wanted: bare, marker: undefined };
  return { wanted: bare.slice(0, at).trim(), marker: bare.slice(at).replace(/^\s*;/, '').trim() };
}

interface WantedPackage {
  name: string;
  /** As written. */
  extras: string;
  specifier: string;
  at?: string;
}

function readWanted(wanted: string, liberties: Liberties): WantedPackage | string {
  if (isAddress(wanted)) return atPlace(readAddress(wanted, liberties), '', liberties);
  const path = PATH.exec(wanted);
  if (path !== null) return atPlace(readPath(path[1] as string, liberties), path[2] ?? '', liberties);
  const head = HEAD.exec(wanted);
  if (head === null) return 'it does not begin with the name of a package';
  const [, name = '', extras = '', rest = ''] = head;
  if (rest.startsWith('@')) {
    const refused = 'an address instead of a version is not allowed; name a version, such as ==1.2';
    if (!liberties.allow.includes('urls')) return unlessAllowed(refused, 'urls');
    const found = atPlace(readAddress(rest.slice(1).trim(), liberties), extras, liberties);
    return typeof found === 'string' ? found : { ...found, name };
  }
  const specifier = readSpecifier(rest);
  return specifier === undefined
    ? `"${rest}" is no version specifier such as ==1.2 or >=1.2,<2`
    : { name, extras, specifier };
}

function atPlace(place: Place | string, extras: string, liberties: Liberties): WantedPackage | string {
  if (typeof place === 'string') return place;
  const found = packageOf(place, liberties);
  return typeof found === 'string' ? found : { name: found.name, extras, specifier: '', at: place.at };
}

/** As pip takes it, in one line; hashes are checked by whoever installs. */
export function formatRequirement({ name, extras, specifier, marker, at }: Requirement): string {
  const of = extras.length === 0 ? '' : `[${extras.join(',')}]`;
  const when = marker === '' ? '' : ` ; ${marker}`;
  if (at === undefined) return `${name}${of}${specifier}${when}`;
  return at.startsWith('./') ? `${at}${of}${when}` : `${name}${of} @ ${at}${when}`;
}

/** Undefined if it is none. */
function readSpecifier(text: string): string | undefined {
  const inner = /^\((.*)\)$/s.exec(text)?.[1] ?? text;
  if (inner.trim() === '') return '';
  const clauses = inner.split(',').map((clause) => clause.trim());
  if (!clauses.every((clause) => CLAUSE.test(clause))) return undefined;
  return clauses.map((clause) => clause.replaceAll(/\s+/g, '')).join(',');
}

/** Words and signs only; whether they make sense together is for pip to say, which evaluates them. */
function problemOfMarker(marker: string): string | undefined {
  if (marker === '') return 'after ";" there is no marker such as python_version < "3.12"';
  MARKER_TOKEN.lastIndex = 0;
  while (MARKER_TOKEN.lastIndex < marker.length) {
    const at = MARKER_TOKEN.lastIndex;
    const word = MARKER_TOKEN.exec(marker);
    if (word === null) return `the marker cannot be read from "${marker.slice(at, at + 20)}" on`;
    if (word[3] !== undefined && !MARKER_WORDS.includes(word[3])) return `"${word[3]}" is no variable of markers`;
  }
  return undefined;
}
