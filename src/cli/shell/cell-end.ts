/**
 * Whether a cell that is being typed is whole. Only the interpreter can know; this knows enough for typing, and two
 * empty lines in a row send whatever there is. Pure.
 */
import { bashIsWhole } from './bash-cell.ts';

/** `lines` as they were typed so far, at least one. */
export function isWholeCell(language: string, lines: readonly string[]): boolean {
  const last = lines.at(-1) ?? '';
  const isBlank = last.trim() === '';
  if (isBlank && (lines.length === 1 || lines.at(-2)?.trim() === '')) return true;
  const text = lines.join('\n');
  switch (language) {
    case 'python':
      return pythonIsWhole(text, isBlank);
    case 'nodejs':
      return isBalanced(text, NODE);
    case 'bash':
      return bashIsWhole(lines);
    default:
      // Of the others a cell is a program.
      return isBlank;
  }
}

/** As the interpreter's own prompt has it: what is indented below a colon ends with an empty line. */
function pythonIsWhole(text: string, endsBlank: boolean): boolean {
  const found = scan(text, PYTHON);
  if (found.isOpen || /\\$/.test(found.code)) return false;
  const hasBlock = found.code.split('\n').some((line) => /:\s*$/.test(line) || /^\s*@/.test(line));
  return !hasBlock || endsBlank;
}

function isBalanced(text: string, syntax: Syntax): boolean {
  return !scan(text, syntax).isOpen;
}

interface Syntax {
  /** What begins and ends a string, longer ones first, and whether it may go over lines. */
  strings: readonly (readonly [mark: string, overLines: boolean])[];
  lineComment: string;
  blockComment: readonly [string, string] | undefined;
}

const PYTHON: Syntax = {
  strings: [
    ['"""', true],
    ["'''", true],
    ['"', false],
    ["'", false],
  ],
  lineComment: '#',
  blockComment: undefined,
};

const NODE: Syntax = {
  strings: [
    ['`', true],
    ['"', false],
    ["'", false],
  ],
  lineComment: '//',
  blockComment: ['/*', '*/'],
};

interface Scan {
  /** In the midst of brackets, a string over lines or a comment. */
  isOpen: boolean;
  /** The text without strings and comments, and with nothing but spaces in place of what brackets hold. */
  code: string;
}

function scan(text: string, syntax: Syntax): Scan {
  let depth = 0;
  let code = '';
  for (let at = 0; at < text.length; ) {
    const end = endOfSkipped(text, at, syntax);
    if (end === 'open') return { isOpen: true, code };
    if (end !== undefined) {
      code += syntax.strings.some(([mark]) => text.startsWith(mark, at)) ? '~' : ' ';
      at = end;
      continue;
    }
    const character = text[at] as string;
    at += 1;
    if ('([{'.includes(character)) depth += 1;
    if (')]}'.includes(character)) depth -= 1;
    code += depth > 0 ? ' ' : character;
  }
  return { isOpen: depth > 0, code };
}

/** Where a string or comment that begins here ends; undefined if none does. */
function endOfSkipped(
  text: string,
  at: number,
  { strings, lineComment, blockComment }: Syntax,
): number | 'open' | undefined {
  if (text.startsWith(lineComment, at)) return endOfLine(text, at);
  if (blockComment !== undefined && text.startsWith(blockComment[0], at)) {
    const end = text.indexOf(blockComment[1], at + 2);
    return end === -1 ? 'open' : end + 2;
  }
  const string = strings.find(([mark]) => text.startsWith(mark, at));
  return string === undefined ? undefined : endOfString(text, at + string[0].length, string);
}

function endOfString(text: string, from: number, [mark, overLines]: readonly [string, boolean]): number | 'open' {
  for (let at = from; at < text.length; at += 1) {
    if (text[at] === '\\') {
      if (at + 1 === text.length) return 'open'; // Its line goes on.
      at += 1;
    } else if (text.startsWith(mark, at)) return at + mark.length;
    // A mistake that the interpreter names better.
    else if (text[at] === '\n' && !overLines) return at;
  }
  return overLines ? 'open' : text.length;
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end;
}
