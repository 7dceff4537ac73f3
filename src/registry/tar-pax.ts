/** The records of a pax header: `<length> <key>=<value>\n`, the length in decimal and of the whole record. */
import { refuse, shown } from './bundle-name.ts';

export interface PaxFacts {
  path?: string;
  linkpath?: string;
  size?: number;
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const LENGTH_DIGITS_MAX = 6;

/** Strict, because a record that one program skips and another reads makes two archives of one. */
export function parsePax(bytes: Buffer): PaxFacts {
  const facts: PaxFacts = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const digits = space < 0 || space - at > LENGTH_DIGITS_MAX ? '' : bytes.toString('latin1', at, space);
    const end = /^[1-9][0-9]*$/.test(digits) ? at + Number(digits) : -1;
    if (end <= space + 1 || end > bytes.length || bytes[end - 1] !== NEWLINE) damaged();
    const record = bytes.toString('utf8', space + 1, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) damaged();
    note(facts, record.slice(0, equals), record.slice(equals + 1));
    at = end;
  }
  return facts;
}

function note(facts: PaxFacts, key: string, value: string): void {
  if (key.startsWith('GNU.sparse.')) refuse('it holds a sparse file; make the archive without `--sparse`');
  if (key === 'size') {
    if (!/^[0-9]{1,15}$/.test(value)) damaged();
    once(facts, key);
    facts.size = Number(value);
  } else if (key === 'path' || key === 'linkpath') {
    once(facts, key);
    facts[key] = value;
  }
}

function once(facts: PaxFacts, key: keyof PaxFacts): void {
  if (facts[key] !== undefined) refuse(`a header of the archive says ${shown(key)} twice`);
}

function damaged(): never {
  return refuse('an extended header of the archive is damaged');
}
