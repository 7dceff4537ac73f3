/** The code of a function that comes through an API: a zip file, and what was said apart from it. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { parseHandlerName } from '../config/handler-name.ts';
import { LAMBDA_FILE, type LambdaSpec, type LambdaTerms, parseLambdaSpec } from '../config/lambda-spec.ts';
import { isPlain } from '../config/parse.ts';
import { errnoOf } from '../lib/errno.ts';
import { type BundleOptions, unpackBundle } from './bundle.ts';
import { packDirectory } from './bundle-pack.ts';
import { fileDigest } from './file-digest.ts';
import { type FunctionState, lambdaFileOf } from './function-document.ts';
import type { FunctionFacts, FunctionWishes } from './functions.ts';
import { handlerFileOf } from './handler-files.ts';

/**
 * Unpacks the code into `dir`, which is made, and returns what its own `lambda.json` says. Throws Failure
 * `lambda-invalid`.
 */
export async function unpackZip(
  zip: Buffer,
  dir: string,
  { handler, terms }: { handler: string | undefined; terms: LambdaTerms },
): Promise<object> {
  const file = `${dir}.zip`;
  writeFileSync(file, zip, { flag: 'wx', mode: 0o600 });
  try {
    await unpackBundle(file, dir, { terms, ...handlerIn({ handler }) });
  } finally {
    rmSync(file, { force: true });
  }
  return objectIn(join(dir, LAMBDA_FILE)) ?? {};
}

/** Writes the `lambda.json` that is to count into code that nobody runs yet. Throws Failure `lambda-invalid`. */
export function applyWishes(dir: string, said: { own: object; wishes: FunctionWishes }, terms: LambdaTerms): void {
  const text = lambdaFileOf(said);
  handlerFileOf(parseLambdaSpec(text, terms), (path) => existsSync(join(dir, path)));
  rmSync(join(dir, LAMBDA_FILE), { force: true });
  writeFileSync(join(dir, LAMBDA_FILE), text, { flag: 'wx' });
}

/**
 * Unpacks a bundle whose `lambda.json` is said apart from it into the new directory `dir`. Returns a digest of both.
 * Throws Failure `lambda-invalid`.
 */
export async function unpackSaid(
  { file, digest }: { file: string; digest: string },
  dir: string,
  { said, terms }: { said: Pick<FunctionState, 'own' | 'wishes'>; terms: LambdaTerms },
): Promise<string> {
  await unpackBundle(file, dir, { terms, ...handlerIn(said.wishes) });
  applyWishes(dir, said, terms);
  return createHash('sha256')
    .update(`${digest}\n${lambdaFileOf(said)}`)
    .digest('hex');
}

/** What a `lambda.json` says that somebody has edited: what he has changed of the wishes, they are from then on. */
export function readEdited(dir: string, wishes: FunctionWishes): { own: object; wishes: FunctionWishes } {
  const path = join(dir, LAMBDA_FILE);
  const own = existsSync(path) ? objectIn(path) : {};
  if (own === undefined) throw new Failure('lambda-invalid', `${LAMBDA_FILE} is not a JSON object`);
  const kept = Object.entries(own).filter(([key]) => Object.hasOwn(wishes, key));
  return { own, wishes: Object.fromEntries(kept) };
}

/** Of the bundle that the directory would make. */
export async function factsOfTree(dir: string): Promise<Pick<FunctionFacts, 'codeSha256' | 'codeSize'>> {
  const file = `${dir}.packed`;
  try {
    await packDirectory(dir, file);
    const codeSha256 = Buffer.from(await fileDigest(file), 'hex').toString('base64');
    return { codeSha256, codeSize: statSync(file).size };
  } finally {
    rmSync(file, { force: true });
  }
}

/** What a directory that somebody keeps by hand runs with; what any lambda runs with if its file is wrong. */
export function specOfDirectory(dir: string, terms: LambdaTerms): LambdaSpec {
  try {
    return parseLambdaSpec(readFileSync(join(dir, LAMBDA_FILE), 'utf8'), terms);
  } catch (error) {
    if (error instanceof Failure || errnoOf(error) !== undefined) return parseLambdaSpec(undefined, terms);
    throw error;
  }
}

export function factsOfZip(zip: Buffer): Pick<FunctionFacts, 'codeSha256' | 'codeSize'> {
  return { codeSha256: createHash('sha256').update(zip).digest('base64'), codeSize: zip.length };
}

function handlerIn({ handler }: { handler?: string | undefined }): Pick<BundleOptions, 'handler'> {
  const declared = handler === undefined ? undefined : parseHandlerName(handler);
  return declared === undefined ? {} : { handler: declared };
}

function objectIn(path: string): object | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isPlain(value) ? value : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
