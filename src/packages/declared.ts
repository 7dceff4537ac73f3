/**
 * What a lambda's code says it needs: `requirements.txt`, else OpenLambda's `packages.txt`, else the block that
 * PEP 723 describes, else OpenLambda's `# ol-install:` comment, both at the top of the handler file.
 */
import { createHash } from 'node:crypto';
import { parse as parseToml } from 'smol-toml';
import { Failure } from '../config/failure.ts';
import { parseRequirement, type Requirement } from './requirement.ts';

export interface Declared {
  /** Of the file that it was read from. */
  readonly file: string;
  /** In order, without repetitions. */
  readonly requirements: readonly Requirement[];
  /** Of the requirements, in whichever order they came. */
  readonly digest: string;
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

/** Undefined if it needs nothing. Throws Failure `lambda-invalid` with all problems. */
export function declaredBy({ requirementsTxt, packagesTxt, handler }: CodeTexts): Declared | undefined {
  if (requirementsTxt !== undefined) return read(REQUIREMENTS_FILE, linesOf(requirementsTxt));
  if (packagesTxt !== undefined) return read(PACKAGES_FILE, linesOf(packagesTxt).map(installedSide));
  const block = scriptBlock(handler.file, handler.text);
  if (block !== undefined) return read(handler.file, block);
  const comment = commentLine(handler.text);
  return comment && read(handler.file, comment);
}

interface Line {
  number: number;
  text: string;
}

function read(file: string, lines: readonly Line[]): Declared | undefined {
  const problems: string[] = [];
  const found = new Map<string, Requirement>();
  for (const { number, text } of lines.flatMap(splitComment)) {
    const requirement = parseRequirement(text);
    if (typeof requirement === 'string') problems.push(`line ${number}: ${JSON.stringify(text)}: ${requirement}`);
    else found.set(JSON.stringify(requirement), requirement);
  }
  if (found.size > REQUIREMENTS_MAX) problems.push(`${found.size} packages; ${REQUIREMENTS_MAX} are allowed`);
  if (problems.length > 0) {
    const more = problems.length > PROBLEMS_MAX ? `; and ${problems.length - PROBLEMS_MAX} more` : '';
    throw new Failure('lambda-invalid', `${file}: ${problems.slice(0, PROBLEMS_MAX).join('; ')}${more}`, { problems });
  }
  if (found.size === 0) return undefined;
  const digest = createHash('sha256')
    .update([...found.keys()].sort().join('\n'))
    .digest('hex');
  return { file, requirements: [...found.values()], digest: digest.slice(0, DIGEST_HEX_LENGTH) };
}

/** Lines without comments and blanks; one that ends in a backslash goes on in the next, as pip has it. */
function linesOf(text: string): Line[] {
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

function splitComment({ number, text }: Line): Line[] {
  const bare = text.replace(/(^|\s)#.*$/, '').trim();
  return bare === '' ? [] : [{ number, text: bare }];
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
