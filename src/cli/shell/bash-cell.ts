/** Whether lines of bash are whole commands, as far as can be told by their words. Pure. */

const OPENS = new Set(['if', 'case', 'for', 'while', 'until', 'select', '{']);
const CLOSES = new Set(['fi', 'esac', 'done', '}']);
/** After these the next word begins a command. */
const BEGINS = new Set(['then', 'else', 'elif', 'do', '!', 'time', ...OPENS]);

export function bashIsWhole(lines: readonly string[]): boolean {
  const text = withoutDocuments(lines);
  if (text === undefined || /(^|[^\\])(\\\\)*\\$/.test(text) || /(\||&&)\s*$/.test(text)) return false;
  const words = wordsOf(text);
  if (words === undefined) return false;
  let depth = 0;
  let brackets = 0;
  let isCommand = true;
  for (const word of words) {
    if (word === '(') brackets += 1;
    // Without one that opens it is the end of a pattern, in a case.
    if (word === ')') brackets = Math.max(0, brackets - 1);
    if (isCommand && OPENS.has(word)) depth += 1;
    if (isCommand && CLOSES.has(word)) depth -= 1;
    isCommand = /^[;&|\n()]$/.test(word) || (isCommand && BEGINS.has(word));
  }
  return depth <= 0 && brackets === 0;
}

/** Without the lines of here-documents; undefined if one has not ended. */
function withoutDocuments(lines: readonly string[]): string | undefined {
  const kept: string[] = [];
  const ends: { word: string; tabs: boolean }[] = [];
  for (const line of lines) {
    const end = ends[0];
    if (end !== undefined) {
      if ((end.tabs ? line.replace(/^\t+/, '') : line) === end.word) ends.shift();
      continue;
    }
    kept.push(line);
    for (const [, dash, word = ''] of line.matchAll(/<<(-?)\s*(?!<)["'\\]?(\w+)["']?/g))
      ends.push({ word, tabs: dash === '-' });
  }
  return ends.length > 0 ? undefined : kept.join('\n');
}

/** Words and operators, quoted parts as they are no words of the language; undefined if a quote is open. */
function wordsOf(text: string): string[] | undefined {
  const words: string[] = [];
  const token = /\\[\s\S]|'[^']*'|"(?:\\[\s\S]|[^"\\])*"|#[^\n]*|[;&|()\n]|[^\s;&|()'"\\#]+|\s|['"#]/gy;
  let isAttached = false;
  for (const [piece] of text.matchAll(token)) {
    if (piece === "'" || piece === '"') return undefined;
    const isSpace = /^[^\S\n]$/.test(piece);
    const isOperator = /^[;&|()\n]$/.test(piece);
    if (piece.startsWith('#') && !isAttached) continue;
    if (isAttached && !isSpace && !isOperator) words.push(`${words.pop()}${piece}`);
    else if (!isSpace) words.push(piece);
    isAttached = !isSpace && !isOperator;
  }
  return words;
}
