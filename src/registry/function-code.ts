/** The code of a function that comes through an API: a zip file, and what was said apart from it. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHandlerName } from '../config/handler-name.ts';
import { LAMBDA_FILE, type LambdaTerms, parseLambdaSpec } from '../config/lambda-spec.ts';
import { isPlain } from '../config/parse.ts';
import { errnoOf } from '../lib/errno.ts';
import { unpackBundle } from './bundle.ts';
import { lambdaFileOf } from './function-document.ts';
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
    const declared = handler === undefined ? undefined : parseHandlerName(handler);
    await unpackBundle(file, dir, { terms, ...(declared === undefined ? {} : { handler: declared }) });
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

export function factsOfZip(zip: Buffer): Pick<FunctionFacts, 'codeSha256' | 'codeSize'> {
  return { codeSha256: createHash('sha256').update(zip).digest('base64'), codeSize: zip.length };
}

function objectIn(path: string): object | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isPlain(value) ? value : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
