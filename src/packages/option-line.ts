/**
 * A line of a requirements.txt that begins with options: how pip is to look for what the others ask for. Only those that
 * say something about packages; what they name must be allowed, too.
 */
import { PACKAGE_LIBERTIES } from '../config/settings.ts';
import { isAddress, type Liberties, NO_BUILDS, readAddress, readPath, unlessAllowed } from './address.ts';

export type OptionWord =
  /** As pip takes it in a line of its own. */
  | { kind: 'pip'; line: string }
  /** Wheels that lie in this directory of the lambda, `./` before it, are among those that pip finds. */
  | { kind: 'wheels'; dir: string }
  /** Another file of the lambda, `./` before it. */
  | { kind: 'requirements' | 'constraints'; path: string };

export interface OptionTerms extends Liberties {
  /** The directory of the file that the line is in, for paths in it. */
  from: string;
}

const SHORT: Readonly<Record<string, string>> = {
  '-i': '--index-url',
  '-f': '--find-links',
  '-r': '--requirement',
  '-c': '--constraint',
  '-e': '--editable',
};
const FLAGS = ['--no-index', '--pre', '--prefer-binary', '--require-hashes'];
const NAMES = /^(?::all:|:none:|[A-Za-z0-9][A-Za-z0-9._-]*)(?:,(?::all:|:none:|[A-Za-z0-9][A-Za-z0-9._-]*))*$/;

/** What the line says, or what is wrong with it, in words. */
export function readOptionLine(text: string, terms: OptionTerms): OptionWord[] | string {
  if (terms.allow.includes('options')) return readWords(text, terms);
  // What no setting allows is refused for that.
  const said = readWords(text, { ...terms, allow: PACKAGE_LIBERTIES, builds: true });
  if (typeof said === 'string') return said;
  const refused =
    'options are not allowed here; where packages come from is set in the configuration of pip on the worker';
  return unlessAllowed(refused, 'options');
}

function readWords(text: string, terms: OptionTerms): OptionWord[] | string {
  if (/\$\{/.test(text)) return 'variables of the environment are not replaced here';
  const found: OptionWord[] = [];
  const words = text.split(/\s+/);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const { name, value } = splitOption(word);
    if (FLAGS.includes(name) && value === undefined) {
      found.push({ kind: 'pip', line: name });
      continue;
    }
    const read = readValued(name, value ?? words.shift() ?? '', terms);
    if (typeof read === 'string') return read;
    found.push(read);
  }
  return found;
}

/** `--name=value`, `--name value`, `-nvalue` or `-n value`. */
function splitOption(word: string): { name: string; value: string | undefined } {
  const short = SHORT[word.slice(0, 2)];
  if (short !== undefined) return { name: short, value: word.length > 2 ? word.slice(2) : undefined };
  const at = word.indexOf('=');
  return at === -1 ? { name: word, value: undefined } : { name: word.slice(0, at), value: word.slice(at + 1) };
}

function readValued(name: string, value: string, terms: OptionTerms): OptionWord | string {
  switch (name) {
    case '--index-url':
    case '--extra-index-url':
      return line(name, readAddress(value, terms));
    case '--find-links': {
      if (isAddress(value)) return line(name, readAddress(value, terms));
      const place = readPath(value, terms, terms.from);
      return typeof place === 'string' ? place : { kind: 'wheels', dir: place.at };
    }
    case '--requirement':
    case '--constraint': {
      if (isAddress(value)) return `${name} takes a file of the lambda, no address`;
      const place = readPath(value, terms, terms.from);
      if (typeof place === 'string') return place;
      return { kind: name === '--requirement' ? 'requirements' : 'constraints', path: place.at };
    }
    case '--only-binary':
      return NAMES.test(value) ? { kind: 'pip', line: `${name} ${value}` } : `${name} takes names of packages`;
    case '--no-binary':
      if (!terms.builds) return `packages are not built here; ${NO_BUILDS}`;
      return NAMES.test(value) ? { kind: 'pip', line: `${name} ${value}` } : `${name} takes names of packages`;
    case '--editable':
      return 'a directory of sources is no package; code of your own belongs beside lambda_func.py';
    case '--trusted-host':
      return 'whom pip trusts is set in the configuration of pip on the worker';
    default:
      return `${name} is no option that means something here; these do: ${KNOWN.join(' ')}`;
  }
}

const KNOWN = [
  '--index-url',
  '--extra-index-url',
  '--find-links',
  '--requirement',
  '--constraint',
  '--only-binary',
  '--no-binary',
  ...FLAGS,
];

function line(name: string, place: { at: string } | string): OptionWord | string {
  return typeof place === 'string' ? place : { kind: 'pip', line: `${name} ${place.at}` };
}
