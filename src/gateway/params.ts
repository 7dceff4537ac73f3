/**
 * Parameters of a call: of its JSON body if it has one, whatever its method, else of its query. Names may have
 * aliases, `a|b|c`. All that is wrong is told at once, as `invalid-api-params`.
 */
import { isPlain } from '../config/parse.ts';
import { ApiProblem } from './api-problem.ts';

export type Raw = Readonly<Record<string, unknown>>;

/** What a program can be given: as a word of its command line, or as the value of a variable. */
export const SAYABLE = /^[^\0\p{Surrogate}]*$/u;

interface TextRule {
  pattern?: RegExp;
  /** What a legal value is, in words. */
  what?: string;
  charsMax?: number;
}

interface NumberRule {
  min: number;
  max: number;
  whole?: boolean;
}

export class Params {
  readonly #raw: Raw;
  readonly #place: string;
  readonly #problems: string[];
  readonly #asked = new Set<string>();

  /** `place` comes before names in messages, such as `config.`; those below one share its problems. */
  constructor(raw: Raw, place = '', problems: string[] = []) {
    this.#raw = raw;
    this.#place = place;
    this.#problems = problems;
  }

  /** The first of the names that is there and not null. */
  value(names: string): unknown {
    let found: unknown;
    for (const name of names.split('|')) {
      this.#asked.add(name);
      if (Object.hasOwn(this.#raw, name)) found ??= this.#raw[name];
    }
    return found ?? undefined;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#raw, name);
  }

  text(names: string, rule: TextRule = {}): string | undefined {
    const value = this.value(names);
    if (value === undefined) return undefined;
    const { pattern, what = 'a text', charsMax = 65_536 } = rule;
    if (typeof value !== 'string' || value.length > charsMax || pattern?.test(value) === false) {
      return this.#wrong(names, value, what);
    }
    return value;
  }

  /** '' if it is not there, which is told. */
  requiredText(names: string, rule: TextRule = {}): string {
    const text = this.text(names, rule);
    if (text === undefined && this.value(names) === undefined) this.problem(names, 'is required');
    return text ?? '';
  }

  /** Of a query it may be a text. */
  flag(names: string): boolean | undefined {
    const value = this.value(names);
    if (value === undefined || typeof value === 'boolean') return value;
    const word = typeof value === 'object' ? undefined : String(value).toLowerCase();
    if (word !== undefined && ['true', '1', 'yes', 'on', 't', 'y'].includes(word)) return true;
    if (word !== undefined && ['false', '0', 'no', 'off', 'f', 'n', ''].includes(word)) return false;
    return this.#wrong(names, value, 'true or false');
  }

  number(names: string, { min, max, whole = true }: NumberRule): number | undefined {
    const value = this.value(names);
    if (value === undefined) return undefined;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    const good = typeof number === 'number' && Number.isFinite(number) && (!whole || Number.isInteger(number));
    if (!good || (number as number) < min || (number as number) > max) {
      return this.#wrong(names, value, `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`);
    }
    return number as number;
  }

  choice<T extends string>(names: string, choices: readonly T[]): T | undefined {
    const value = this.value(names);
    if (value === undefined || choices.includes(value as T)) return value as T | undefined;
    return this.#wrong(names, value, choices.map((choice) => JSON.stringify(choice)).join(' or '));
  }

  /** A text counts as a list of one. */
  texts(names: string, countMax: number): string[] | undefined {
    const value = this.value(names);
    if (value === undefined) return undefined;
    const list = typeof value === 'string' ? [value] : value;
    if (!Array.isArray(list) || !list.every((one) => typeof one === 'string')) {
      return this.#wrong(names, value, 'a list of texts');
    }
    if (list.length > countMax) return this.#wrong(names, list.length, `at most ${countMax} of them`);
    return list;
  }

  /** Values may be numbers and flags as well, which become texts. */
  textMap(names: string): Record<string, string> | undefined {
    const value = this.value(names);
    if (value === undefined) return undefined;
    if (!isPlain(value)) return this.#wrong(names, value, 'an object of texts');
    const entries = Object.entries(value);
    if (entries.some(([, one]) => !['string', 'number', 'boolean'].includes(typeof one))) {
      return this.#wrong(names, value, 'an object of texts');
    }
    return Object.fromEntries(entries.map(([name, one]) => [name, String(one)]));
  }

  /** Empty if it is not there. */
  below(names: string): Params {
    const value = this.value(names);
    const place = `${this.#place}${names.split('|')[0]}.`;
    if (value === undefined) return new Params({}, place, this.#problems);
    if (isPlain(value)) return new Params(value, place, this.#problems);
    this.#wrong(names, value, 'an object');
    return new Params({}, place, this.#problems);
  }

  /** Whatever nobody has asked for is wrong. */
  refuseUnknown(): void {
    for (const name of Object.keys(this.#raw)) {
      if (!this.#asked.has(name)) {
        this.#problems.push(`${this.#place}${name}: is not known; there are ${[...this.#asked].join(', ')}`);
      }
    }
  }

  problem(names: string, what: string): void {
    this.#problems.push(`${this.#place}${names.split('|')[0]}: ${what}`);
  }

  /** Throws ApiProblem `invalid-api-params` if anything was wrong. */
  check(): void {
    if (this.#problems.length > 0) throw invalidParams(this.#problems.join('; '));
  }

  #wrong(names: string, value: unknown, what: string): undefined {
    this.problem(names, `${shownOf(value)} is not ${what}`);
    return undefined;
  }
}

/** Never what a list or an object holds: it may be nested deeper than anything can follow. */
function shownOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}

export function invalidParams(extra: string): ApiProblem {
  return new ApiProblem('invalid-api-params', extra);
}

/** Bytes of JSON, or a query if there are none. Throws ApiProblem `invalid-api-params`. */
export function readRaw(body: Uint8Array, query: string): Raw {
  if (body.length === 0) return rawOfQuery(query);
  let raw: unknown;
  try {
    raw = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (cause) {
    throw new ApiProblem('invalid-api-params', 'Malformed request body', { cause, detail: 'The body is not JSON.' });
  }
  if (!isPlain(raw)) throw invalidParams('The body is not a JSON object');
  return raw;
}

/** What comes several times is a list. */
function rawOfQuery(query: string): Raw {
  const raw: Record<string, unknown> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    const before = Object.hasOwn(raw, name) ? raw[name] : undefined;
    if (before === undefined) raw[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else raw[name] = [before, value];
  }
  return raw;
}
