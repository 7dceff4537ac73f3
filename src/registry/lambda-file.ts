/** The `lambda.json` of a snapshot. It is read where nobody writes any more, so it belongs to just that code. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { LAMBDA_FILE, type LambdaSpec, type LambdaTerms, parseLambdaSpec } from '../config/lambda-spec.ts';
import { LAMBDA_JSON_BYTES_MAX } from '../config/limits.ts';
import type { Tree } from './tree.ts';

/** `dir` is a finished copy of the tree. Throws Failure `lambda-invalid` with all that is wrong with the file. */
export function readLambdaFile(dir: string, tree: Tree, terms: LambdaTerms): LambdaSpec {
  const listed = tree.entries.some((entry) => entry.path === LAMBDA_FILE);
  return parseLambdaSpec(
    listed ? readText(join(dir, LAMBDA_FILE), LAMBDA_FILE, LAMBDA_JSON_BYTES_MAX) : undefined,
    terms,
  );
}

/** A file of a snapshot. A link has been followed by now; it leads to something else in the snapshot, or nowhere. */
export function readText(path: string, name: string, bytesMax: number): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new Failure('lambda-invalid', `${name} is a link that leads nowhere`, { cause: error });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Failure('lambda-invalid', `${name} is no file`);
    if (stat.size > bytesMax) throw new Failure('lambda-invalid', `${name} has more than ${bytesMax} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
