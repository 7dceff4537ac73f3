/** What a snapshot says of itself. It is read where nobody writes any more, so it belongs to just that code. */
import type { LambdaTerms } from '../config/lambda-spec.ts';
import { readDeclared, type SnapshotPlace } from './declared-file.ts';
import { handlerFileOf, nodeHandlerOf } from './handler-files.ts';
import { readLambdaFile } from './lambda-file.ts';
import type { CodeVersion } from './source.ts';
import { fileLookup } from './tree.ts';

export type CodeFacts = Pick<CodeVersion, 'config' | 'node' | 'declared'>;

/** Rejects with Failure `lambda-invalid` with all that is wrong with a file of it. */
export async function readCodeFacts(place: SnapshotPlace, terms: LambdaTerms): Promise<CodeFacts> {
  const { dir, tree } = place;
  const config = readLambdaFile(dir, tree, terms);
  const file = handlerFileOf(config, fileLookup(tree));
  return { config, node: nodeHandlerOf(config, file), declared: await readDeclared(place, file, terms) };
}
