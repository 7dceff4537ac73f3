/** Lines of a file that says what a lambda needs, with the files that these name, as one list. */
import type { Liberties } from './address.ts';
import { type OptionWord, readOptionLine } from './option-line.ts';
import { parseRequirement, type Requirement } from './requirement.ts';

/** What a lambda's directory holds. Paths begin with `./`. */
export interface LambdaFiles {
  /** Undefined if there is no such file; a link is none. Throws Failure `lambda-invalid` for one that is no text. */
  text(path: string): string | undefined;
  /** Of the files in the directory itself, as paths. */
  in(dir: string): readonly string[];
  has(path: string): boolean;
}

export interface Line {
  number: number;
  text: string;
}

/** Everything as it was found, without repetitions. */
export interface RequirementList {
  readonly requirements: ReadonlyMap<string, Requirement>;
  readonly constraints: ReadonlyMap<string, Requirement>;
  /** For pip, in order. */
  readonly options: readonly string[];
  /** Paths of wheels, sorted. */
  readonly wheels: readonly string[];
  /** What is wrong, each with its line. */
  readonly problems: readonly string[];
}

export interface ListTerms extends Liberties {
  files: LambdaFiles;
  /** Whether the file is one that may hold options at all. */
  options: boolean;
}

const SOURCE = /\.(?:tar\.gz|tgz|zip)$/;

/** Files that may be named one by the other. */
const FILES_MAX = 16;

interface Place {
  file: string;
  constraints: boolean;
}

export function readRequirementLines(file: string, lines: readonly Line[], terms: ListTerms): RequirementList {
  const reader = new Reader(terms);
  reader.read(lines, { file, constraints: false }, (number) => `line ${number}`);
  return reader;
}

class Reader implements RequirementList {
  readonly requirements = new Map<string, Requirement>();
  readonly constraints = new Map<string, Requirement>();
  readonly options: string[] = [];
  readonly problems: string[] = [];
  readonly #wheels = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #terms: ListTerms;

  constructor(terms: ListTerms) {
    this.#terms = terms;
  }

  get wheels(): string[] {
    return [...this.#wheels].sort();
  }

  read(lines: readonly Line[], place: Place, named: (number: number) => string): void {
    for (const { number, text } of lines.flatMap(withoutComment)) {
      const problem = text.startsWith('-') ? this.#option(text, place) : this.#requirement(text, place);
      if (problem !== undefined) this.problems.push(`${named(number)}: ${JSON.stringify(text)}: ${problem}`);
    }
  }

  #requirement(text: string, { constraints }: Place): string | undefined {
    const requirement = parseRequirement(text, this.#terms);
    if (typeof requirement === 'string') return requirement;
    const { at, extras } = requirement;
    if (constraints && (at !== undefined || extras.length > 0)) return 'a constraint has a name and versions only';
    if (at?.startsWith('./')) {
      if (!this.#terms.files.has(at)) return `the lambda has no file ${at}`;
      this.#wheels.add(at);
    }
    (constraints ? this.constraints : this.requirements).set(JSON.stringify(requirement), requirement);
    return undefined;
  }

  #option(text: string, place: Place): string | undefined {
    if (!this.#terms.options) return 'options are not allowed here; they belong in requirements.txt';
    const from = place.file.split('/').slice(0, -1).join('/');
    const words = readOptionLine(text, { ...this.#terms, from });
    if (typeof words === 'string') return words;
    for (const word of words) {
      const problem = this.#word(word, place);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #word(word: OptionWord, { constraints }: Place): string | undefined {
    if (constraints && word.kind !== 'constraints') return 'a file of constraints has constraints only';
    switch (word.kind) {
      case 'pip':
        if (!this.options.includes(word.line)) this.options.push(word.line);
        return undefined;
      case 'wheels': {
        const isPackage = (path: string) => path.endsWith('.whl') || (this.#terms.builds && SOURCE.test(path));
        const wheels = this.#terms.files.in(word.dir).filter(isPackage);
        if (wheels.length === 0) return `the lambda has no wheels in ${word.dir}`;
        for (const wheel of wheels) this.#wheels.add(wheel);
        this.options.push(`--find-links ${word.dir}`);
        return undefined;
      }
      case 'requirements':
      case 'constraints':
        return this.#file(word.path, word.kind === 'constraints');
    }
  }

  #file(path: string, constraints: boolean): string | undefined {
    const key = `${constraints ? 'constraints' : 'requirements'} ${path}`;
    if (this.#seen.has(key)) return undefined;
    this.#seen.add(key);
    if (this.#seen.size > FILES_MAX) return `more than ${FILES_MAX} files are named`;
    const text = this.#terms.files.text(path);
    if (text === undefined) return `the lambda has no file ${path}`;
    this.read(linesOf(text), { file: path, constraints }, (number) => `line ${number} of ${path}`);
    return undefined;
  }
}

/** Lines; one that ends in a backslash goes on in the next, as pip has it. */
export function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  let begun: Line | undefined;
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line: Line = { number: begun?.number ?? index + 1, text: (begun?.text ?? '') + raw };
    begun = undefined;
    if (raw.endsWith('\\')) begun = { ...line, text: `${line.text.slice(0, -1)} ` };
    else lines.push(line);
  }
  return begun === undefined ? lines : [...lines, begun];
}

function withoutComment({ number, text }: Line): Line[] {
  const bare = text.replace(/(^|\s)#.*$/, '').trim();
  return bare === '' ? [] : [{ number, text: bare }];
}
