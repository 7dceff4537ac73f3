/** What a snapshot says it needs. It is read where nobody writes any more, so it belongs to just that code. */
import { join } from 'node:path';
import type { LambdaSpec } from '../config/lambda-spec.ts';
import { type Declared, declaredBy, PACKAGES_FILE, REQUIREMENTS_FILE } from '../packages/declared.ts';
import { handlerFileOf } from './handler-files.ts';
import { readText } from './lambda-file.ts';
import { DECLARED_BYTES_MAX } from './limits.ts';
import type { Tree } from './tree.ts';

/** `dir` is a finished copy of the tree. Undefined if it needs nothing. Throws Failure `lambda-invalid` with all problems. */
export function readDeclared(dir: string, tree: Tree, { handler }: Pick<LambdaSpec, 'handler'>): Declared | undefined {
  const isThere = (name: string) => tree.entries.some((entry) => entry.path === name && entry.kind !== 'directory');
  const textOf = (name: string) => (isThere(name) ? readText(join(dir, name), name, DECLARED_BYTES_MAX) : undefined);
  const requirementsTxt = textOf(REQUIREMENTS_FILE);
  const packagesTxt = textOf(PACKAGES_FILE);
  const file = handlerFileOf(handler, isThere);
  const entry = tree.entries.find(({ path }) => path === file);
  // Only where no file says it, and never so large a one that nobody has written it by hand.
  const asked = requirementsTxt === undefined && packagesTxt === undefined;
  const written = entry?.kind !== 'file' || entry.bytes <= DECLARED_BYTES_MAX;
  const text = asked && written ? (textOf(file) as string) : '';
  return declaredBy({ requirementsTxt, packagesTxt, handler: { file, text } });
}
