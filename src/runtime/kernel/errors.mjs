// What a cell has thrown, for whoever wrote the cell: of the stack what lies in cells, and between them.
import { inspect } from 'node:util';

const FRAME = /^ {4}at /;
const IN_CELL = /\bcell-\d+:\d+:\d+/;

/** {name, message, traceback}. `place`: where a cell's syntax is wrong, if it is. */
export function explain(thrown, place) {
  if (Object.prototype.toString.call(thrown) !== '[object Error]' && !(thrown instanceof Error)) {
    const text = safely(() => inspect(thrown));
    return { name: 'Error', message: text, traceback: [`Uncaught ${text}`] };
  }
  const lines = ownLines(safely(() => inspect(thrown)).split('\n'), place === undefined);
  const traceback = place === undefined ? lines : [...place, ...lines];
  return { name: safely(() => String(thrown.name)), message: safely(() => String(thrown.message)), traceback };
}

/** How a cell ends that does not parse. `details`: the inspector's. */
export function placeOf(code, name, details) {
  const line = code.split('\n')[details.lineNumber] ?? '';
  return [`${name}:${details.lineNumber + 1}`, line, `${' '.repeat(Math.min(details.columnNumber, line.length))}^`];
}

/** Without what called the first cell, which is this program. */
function ownLines(lines, keepsCalls) {
  const first = lines.findIndex((line) => FRAME.test(line));
  if (first < 0) return lines;
  const end = lines.findLastIndex((line) => FRAME.test(line));
  const last = keepsCalls ? lines.findLastIndex((line) => FRAME.test(line) && IN_CELL.test(line)) : first - 1;
  // What has not passed through any cell, as errors of timers of modules, is told as it is.
  if (last < 0 || last === end) return lines;
  // Properties of the error follow its last call, in braces.
  const opens = lines[end].endsWith(' {') ? ' {' : '';
  return [...lines.slice(0, last), lines[last] + opens, ...lines.slice(end + 1)];
}

function safely(make) {
  try {
    return make();
  } catch {
    return '[it can not be shown]';
  }
}
