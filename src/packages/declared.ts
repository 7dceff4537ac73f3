/**
 * What a lambda's code says it needs: `requirements.txt`, else OpenLambda's `packages.txt`, else the block that
 * PEP 723 describes, else OpenLambda's `# ol-install:` comment, both at the top of the handler file.
 */
import { createHash } from 'node:crypto';
import { parse as parseToml } from 'smol-toml';
import { Failure } from '../config/failure.ts';
import type { Liberties } from './address.ts';
import type { Requirement } from './requirement.ts';
import { type LambdaFiles, type Line, type ListTerms, linesOf, readRequirementLines } from './requirement-lines.ts';

export type { LambdaFiles } from './requirement-lines.ts';

/** A wheel that the lambda brings along. */
export interface BroughtWheel {
  /** Below the lambda's directory, `./` before it. */
  readonly path: string;
  /** Absolute, in a copy of the code that never changes. */
  readonly from: string;
  readonly sha256: string;
}

export interface Declared {
  /** Of the file that it was read from. */
  readonly file: string;
  /** In order, without repetitions. */
  readonly requirements: readonly Requirement[];
  /** Which versions may be taken of packages, if they are needed. */
  readonly constraints: readonly Requirement[];
  /** Lines for pip, in order. */
  readonly options: readonly string[];
  readonly wheels: readonly BroughtWheel[];
  /** Of the requirements, in whichever order they came, and of all that decides what they come to. */
  readonly digest: string;
}

/** Before anybody has looked into the wheels that it names. */
export interface DeclaredList extends Omit<Declared, 'wheels' | 'digest'> {
  /** Paths. */
  readonly wheels: readonly string[];
}

/** Files that may declare something, in order; the handler file comes last and has another name for some. */
export const REQUIREMENTS_FILE = 'requirements.txt';
export const PACKAGES_FILE = 'packages.txt';

/** As many problems as one message lists. */
const PROBLEMS_MAX = 12;

/** 128 bits, as digests of code have. */
const DIGEST_HEX_LENGTH = 32;

/** Packages that one lambda may name; those that these need come on top. */
const REQUIREMENTS_MAX = 256;

export interface CodeTexts {
  /** Undefined for a file that is not there. */
  requirementsTxt: string | undefined;
  packagesTxt: string | undefined;
  handler: { file: string; text: string };
}

export interface DeclaredTerms extends Liberties {
  files: LambdaFiles;
}

/** Undefined if it needs nothing. Throws Failure `lambda-invalid` with all problems. */
export function declaredBy(
  { requirementsTxt, packagesTxt, handler }: CodeTexts,
  terms: DeclaredTerms,
): DeclaredList | undefined {
  if (requirementsTxt !== undefined) {
    return read(REQUIREMENTS_FILE, linesOf(requirementsTxt), { ...terms, options: true });
  }
  const plain = { ...terms, options: false };
  if (packagesTxt !== undefined) return read(PACKAGES_FILE, linesOf(packagesTxt).map(installedSide), plain);
  const block = scriptBlock(handler.file, handler.text);
  if (block !== undefined) return read(handler.file, block, plain);
  const comment = commentLine(handler.text);
  return comment && read(handler.file, comment, plain);
}

/** `wheels` are those that the list names. */
export function declaredWith(list: DeclaredList, wheels: readonly BroughtWheel[]): Declared {
  const { requirements, constraints, options } = list;
  const words = requirements.map((one) => JSON.stringify(one)).sort();
  if (constraints.length + options.length + wheels.length > 0) {
    words.push(
      JSON.stringify({
        options,
        constraints: constraints.map((one) => JSON.stringify(one)).sort(),
        wheels: wheels.map(({ path, sha256 }) => [path, sha256]),
      }),
    );
  }
  const digest = createHash('sha256').update(words.join('\n')).digest('hex');
  return { ...list, wheels, digest: digest.slice(0, DIGEST_HEX_LENGTH) };
}

function read(file: string, lines: readonly Line[], terms: ListTerms): DeclaredList | undefined {
  const list = readRequirementLines(file, lines, terms);
  const problems = [...list.problems];
  const count = list.requirements.size + list.constraints.size;
  if (count > REQUIREMENTS_MAX) problems.push(`${count} packages; ${REQUIREMENTS_MAX} are allowed`);
  if (problems.length > 0) {
    const more = problems.length > PROBLEMS_MAX ? `; and ${problems.length - PROBLEMS_MAX} more` : '';
    throw new Failure('lambda-invalid', `${file}: ${problems.slice(0, PROBLEMS_MAX).join('; ')}${more}`, { problems });
  }
  if (list.requirements.size === 0) return undefined;
  const requirements = [...list.requirements.values()];
  const constraints = [...list.constraints.values()];
  return { file, requirements, constraints, options: list.options, wheels: list.wheels };
}

/** OpenLambda's `import:package`; what is imported shows when it is. A line without a colon names a package. */
function installedSide({ number, text }: Line): Line {
  const found = /^\s*[\w.]+:(?!\/\/)(.*)$/.exec(text);
  return { number, text: found?.[1] ?? text };
}

const BLOCK = /^# \/\/\/ script[ \t]*\r?\n((?:#(?:| [^\n]*)\r?\n)+?)# \/\/\/[ \t]*$/m;

/** The dependencies of a PEP 723 block; undefined if there is none. */
function scriptBlock(file: string, code: string): Line[] | undefined {
  const found = BLOCK.exec(code);
  if (found === null) return undefined;
  const number = code.slice(0, found.index).split('\n').length;
  const toml = (found[1] as string).replaceAll(/^# ?/gm, '');
  let dependencies: unknown;
  try {
    ({ dependencies = [] } = parseToml(toml));
  } catch (error) {
    throw new Failure('lambda-invalid', `${file}: the script block at line ${number}: ${(error as Error).message}`);
  }
  if (!Array.isArray(dependencies) || !dependencies.every((one): one is string => typeof one === 'string')) {
    throw new Failure(
      'lambda-invalid',
      `${file}: the script block at line ${number}: dependencies is no list of strings`,
    );
  }
  return dependencies.map((text) => ({ number, text }));
}

const COMMENT = /^#[ \t]*ol-install:[ \t]*(.*)$/;

/** Among the comment lines at the top: `# ol-install: numpy,pandas`. */
function commentLine(code: string): Line[] | undefined {
  for (const [index, line] of code.split(/\r?\n/).entries()) {
    if (!line.startsWith('#')) return undefined;
    const found = COMMENT.exec(line);
    if (found) return (found[1] as string).split(',').map((text) => ({ number: index + 1, text }));
  }
  return undefined;
}
