/**
 * One requirement as PEP 508 has it: `name[extra, …] specifiers ; marker`. What pip would take besides
 * (options, paths, addresses) comes with a stranger's code, and is refused.
 */

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
}

const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?';
const HEAD = new RegExp(`^(${NAME})\\s*(?:\\[([^\\]]*)\\])?\\s*(.*)$`, 's');
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
export function parseRequirement(line: string): Requirement | string {
  const refused = refusal(line);
  if (refused !== undefined) return refused;
  const hashes = [...line.matchAll(HASH)].map((found) => found[1] as string);
  const bare = line.replaceAll(HASH, '').trim();
  if (/\s--?[a-z]/.test(bare)) return 'an option other than --hash=sha256:… is not allowed beside a requirement';
  const semicolon = bare.indexOf(';');
  const wanted = (semicolon === -1 ? bare : bare.slice(0, semicolon)).trim();
  const marker = semicolon === -1 ? '' : bare.slice(semicolon + 1).trim();
  const head = HEAD.exec(wanted);
  if (head === null) return 'it does not begin with the name of a package';
  const [, name = '', extras, rest = ''] = head;
  if (rest.startsWith('@')) return 'an address instead of a version is not allowed; name a version, such as ==1.2';
  const specifier = readSpecifier(rest);
  if (specifier === undefined) return `"${rest}" is no version specifier such as ==1.2 or >=1.2,<2`;
  const extraNames = (extras ?? '').split(',').map((extra) => extra.trim());
  const badExtra =
    extras === undefined ? undefined : extraNames.find((extra) => extra !== '' && !WHOLE_NAME.test(extra));
  if (badExtra !== undefined) return `"${badExtra}" is not the name of an extra`;
  const markerProblem = semicolon === -1 ? undefined : problemOfMarker(marker);
  if (markerProblem !== undefined) return markerProblem;
  return {
    name: normalName(name),
    extras: extraNames
      .filter((extra) => extra !== '')
      .map(normalName)
      .sort(),
    specifier,
    marker,
    hashes,
  };
}

/** PEP 503. */
export function normalName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]+/g, '-');
}

/** As pip takes it, in one line; hashes are checked by whoever installs. */
export function formatRequirement({ name, extras, specifier, marker }: Requirement): string {
  const of = extras.length === 0 ? '' : `[${extras.join(',')}]`;
  return `${name}${of}${specifier}${marker === '' ? '' : ` ; ${marker}`}`;
}

/** What pip has a meaning for and Isla has not. */
function refusal(line: string): string | undefined {
  if (line.startsWith('-')) {
    return 'options are not allowed here; where packages come from is set in the configuration of pip on the worker';
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(line)) return 'addresses are not allowed; name a package and a version';
  if (/^[./~]/.test(line) || /\.(whl|zip|tar\.gz|tgz)$/i.test(line.split(/[\s;]/)[0] as string)) {
    return 'paths are not allowed; name a package and a version';
  }
  if (/\$\{/.test(line)) return 'variables of the environment are not replaced here';
  return undefined;
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
