/** What is kept of a function beside its code, and what publishing and aliases make of it. Pure. */
import { randomUUID } from 'node:crypto';
import { Failure } from '../config/failure.ts';
import { type LambdaSpec, type LambdaTerms, parseLambdaSpec } from '../config/lambda-spec.ts';
import { isPlain } from '../config/parse.ts';
import {
  type Alias,
  type AliasChange,
  type FunctionFacts,
  type FunctionRecord,
  type FunctionWishes,
  LATEST,
  type Precondition,
  type PublishWish,
} from './functions.ts';
import type { LambdaName } from './source.ts';

/** What is said in a `lambda.json` has four. */
const LEVELS_MAX = 32;

/** The number of a version. */
const PUBLISHED = /^[1-9][0-9]{0,8}$/;

export interface FunctionState {
  /** Names the code that it has, together with what was said apart from it. */
  code: string;
  /** In a store: names the bundle, whose `lambda.json` does not count. */
  bundle?: string;
  facts: FunctionFacts;
  wishes: FunctionWishes;
  /** What the code's own `lambda.json` said. */
  own: object;
  modifiedMs: number;
  revision: string;
}

export interface FunctionDocument extends FunctionState {
  /** The last number that was given to a version, which never comes again. */
  published: number;
  versions: Readonly<Record<string, FunctionState>>;
  aliases: Readonly<Record<string, Alias>>;
}

/** Undefined if it is none. What older programs did not write is as if nothing had been published. */
export function documentIn(text: string): FunctionDocument | undefined {
  const said: unknown = JSON.parse(text);
  if (!isPlain(said)) return undefined;
  const empty = { code: '', facts: {}, wishes: {}, own: {}, modifiedMs: 0, revision: '' };
  return { ...empty, published: 0, versions: {}, aliases: {}, ...said };
}

/** As `documentIn`, of what a store says, where anybody may have written; undefined if it can not be used. */
export function documentOfStore(text: string): FunctionDocument | undefined {
  let document: FunctionDocument | undefined;
  try {
    document = documentIn(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (document === undefined || nests(document, LEVELS_MAX) || !isState(document)) return undefined;
  const { versions, aliases, published } = document as { versions: unknown; aliases: unknown; published: unknown };
  const counted = typeof published === 'number' && published >= 0 && Number.isSafeInteger(published);
  if (!counted || !isPlain(versions) || !isPlain(aliases)) return undefined;
  const whole = Object.entries(versions).every(([number, state]) => isPublished(number) && isState(state));
  return whole && Object.values(aliases).every(isAlias) ? document : undefined;
}

/** Whether there is more in it, level below level, than so many: what writes it down again would not come to its end. */
function nests(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((one) => nests(one, levels - 1));
}

function isState(value: unknown): value is FunctionState {
  if (!isPlain(value)) return false;
  const { code, bundle, facts, wishes, own, modifiedMs, revision } = value;
  const texts = [code, revision].every((text) => typeof text === 'string');
  const named = typeof bundle === 'string' && /^[0-9a-f-]{36}\.(?:zip|tar\.gz)$/.test(bundle);
  const dated = typeof modifiedMs === 'number' && !Number.isNaN(new Date(modifiedMs).getTime());
  return texts && named && dated && isFacts(facts) && isPlain(wishes) && isPlain(own);
}

function isFacts(value: unknown): value is FunctionFacts {
  if (!isPlain(value)) return false;
  const { description = '', role = '', runtime = '', codeSha256 = '', codeSize = 0 } = value;
  const texts = [description, role, runtime, codeSha256].every((text) => typeof text === 'string');
  return texts && typeof codeSize === 'number';
}

function isAlias(value: unknown): boolean {
  if (!isPlain(value)) return false;
  const { version, description, also, revision } = value;
  const texts = [description, revision].every((text) => typeof text === 'string');
  const leads = version === LATEST || isPublished(version);
  return texts && leads && (also === undefined || isOther(also));
}

function isOther(value: unknown): boolean {
  return isPlain(value) && isPublished(value.version) && typeof value.weight === 'number';
}

/** It becomes a part of names, of directories among them. */
function isPublished(version: unknown): boolean {
  return typeof version === 'string' && PUBLISHED.test(version);
}

export function newDocument(state: Omit<FunctionState, 'revision'>): FunctionDocument {
  return { ...state, revision: randomUUID(), published: 0, versions: {}, aliases: {} };
}

export function changed(document: FunctionDocument, state: Partial<FunctionState>): FunctionDocument {
  return { ...document, ...state, revision: randomUUID() };
}

/** Undefined if there is no such version. */
export function recordOf(
  lambda: LambdaName,
  document: FunctionDocument,
  { version, terms }: { version: string | undefined; terms: LambdaTerms },
): FunctionRecord | undefined {
  const state = version === undefined ? document : ownOf(document.versions, version);
  if (state === undefined) return undefined;
  const { facts, modifiedMs, revision } = state;
  return { lambda, version, facts, spec: specOf(state, terms), modifiedMs, revision };
}

export function lambdaFileOf({ own, wishes }: Pick<FunctionState, 'own' | 'wishes'>): string {
  return `${JSON.stringify({ ...own, ...wishes }, null, 2)}\n`;
}

function specOf(state: FunctionState, terms: LambdaTerms): LambdaSpec {
  try {
    return parseLambdaSpec(lambdaFileOf(state), terms);
  } catch (error) {
    // The template may allow less than it did.
    if (error instanceof Failure) return parseLambdaSpec(undefined, terms);
    throw error;
  }
}

export function numbersOf({ versions }: FunctionDocument): string[] {
  return Object.keys(versions).sort((a, b) => Number(a) - Number(b));
}

/** Throws Failure `revision-old` unless it is still what the caller has read. */
export function checkRevision(revision: string, wish: Precondition): void {
  if (wish.revision === undefined || wish.revision === revision) return;
  const message = 'The Revision Id provided does not match the latest Revision Id';
  throw new Failure('revision-old', `${message}: it has been changed since; read it again.`);
}

/** The document is the same one if the current code is a version already. Throws Failure. */
export function withPublished(
  document: FunctionDocument,
  wish: PublishWish,
): { document: FunctionDocument; number: string } {
  checkRevision(document.revision, wish);
  const { versions, code, bundle, facts, wishes, own, modifiedMs } = document;
  if (wish.codeSha256 !== undefined && wish.codeSha256 !== facts.codeSha256) {
    const said = `CodeSHA256 (${wish.codeSha256}) is different from current CodeSHA256 in ${LATEST}`;
    throw new Failure('lambda-invalid', `${said} (${facts.codeSha256 ?? 'unknown'}).`);
  }
  const last = numbersOf(document).at(-1);
  if (last !== undefined && versions[last]?.code === code) return { document, number: last };
  const published = document.published + 1;
  const number = String(published);
  const { description = facts.description } = wish;
  const ownFacts = description === undefined ? facts : { ...facts, description };
  const where = bundle === undefined ? { code } : { code, bundle };
  const state = { ...where, facts: ownFacts, wishes, own, modifiedMs, revision: randomUUID() };
  return { document: { ...document, published, versions: { ...versions, [number]: state } }, number };
}

/** Throws Failure `lambda-missing`, `conflict`. */
export function withoutVersion(document: FunctionDocument, version: string): FunctionDocument {
  if (ownOf(document.versions, version) === undefined) throw versionMissing(version);
  const { [version]: _, ...versions } = document.versions;
  const names = Object.entries(document.aliases).flatMap(([name, alias]) => (leadsTo(alias, version) ? [name] : []));
  if (names.length === 0) return { ...document, versions };
  const message = `Unable to delete version because the following aliases reference it: [${names.join(', ')}]`;
  throw new Failure('conflict', message);
}

function leadsTo({ version, also }: Alias, asked: string): boolean {
  return version === asked || also?.version === asked;
}

/** Throws Failure `lambda-missing`, `lambda-invalid`, `revision-old`. */
export function withAlias(
  document: FunctionDocument,
  name: string,
  { version, description, also, ...wish }: AliasChange,
): { document: FunctionDocument; alias: Alias } {
  const before = ownOf(document.aliases, name);
  if (before !== undefined) checkRevision(before.revision, wish);
  const other = also === undefined ? before?.also : (also ?? undefined);
  const alias: Alias = {
    version: version ?? before?.version ?? '',
    description: description ?? before?.description ?? '',
    ...(other === undefined ? {} : { also: other }),
    revision: randomUUID(),
  };
  checkAlias(document, alias);
  return { document: { ...document, aliases: { ...document.aliases, [name]: alias } }, alias };
}

function checkAlias({ versions }: FunctionDocument, { version, also }: Alias): void {
  for (const one of [version, ...(also === undefined ? [] : [also.version])]) {
    if (one !== LATEST && ownOf(versions, one) === undefined) throw versionMissing(one);
  }
  if (also === undefined) return;
  if (version === LATEST || also.version === LATEST) {
    throw new Failure('lambda-invalid', `${LATEST} is not supported for an alias pointing to more than 1 version`);
  }
  if (version === also.version) {
    throw new Failure('lambda-invalid', `Invalid function version ${version}. It is the alias's version already.`);
  }
}

/** The document is the same one if there is no such alias. */
export function withoutAlias(document: FunctionDocument, name: string): FunctionDocument {
  if (ownOf(document.aliases, name) === undefined) return document;
  const { [name]: _, ...aliases } = document.aliases;
  return { ...document, aliases };
}

/** Callers choose names, also such as objects have from birth. */
export function ownOf<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function versionMissing(version: string): Failure {
  return new Failure('lambda-missing', `There is no version ${version}.`);
}
