/** What a snapshot says it needs. It is read where nobody writes any more, so it belongs to just that code. */
import { dirname, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import type { LambdaTerms } from '../config/lambda-spec.ts';
import { errnoWords } from '../lib/errno.ts';
import {
  type Declared,
  declaredBy,
  declaredWith,
  type LambdaFiles,
  PACKAGES_FILE,
  REQUIREMENTS_FILE,
} from '../packages/declared.ts';
import { fileDigest } from './file-digest.ts';
import type { HandlerFile } from './handler-files.ts';
import { readText } from './lambda-file.ts';
import { DECLARED_BYTES_MAX } from './limits.ts';
import { fileLookup, type Tree } from './tree.ts';

export interface SnapshotPlace {
  /** A finished copy of the tree. */
  dir: string;
  /** Where the copy will stay. */
  kept: string;
  tree: Tree;
}

/** Resolves to undefined if it needs nothing. Rejects with Failure `lambda-invalid` with all problems. */
export async function readDeclared(
  { dir, kept, tree }: SnapshotPlace,
  { runtime, file }: HandlerFile,
  { packages_allow, packages_build }: Pick<LambdaTerms, 'packages_allow' | 'packages_build'>,
): Promise<Declared | undefined> {
  // What Node imports lies beside its code.
  if (runtime !== 'python') return undefined;
  const isThere = fileLookup(tree);
  const textOf = (name: string) => (isThere(name) ? readText(join(dir, name), name, DECLARED_BYTES_MAX) : undefined);
  const requirementsTxt = textOf(REQUIREMENTS_FILE);
  const packagesTxt = textOf(PACKAGES_FILE);
  const entry = tree.entries.find(({ path }) => path === file);
  // Only where no file says it, and never so large a one that nobody has written it by hand.
  const asked = requirementsTxt === undefined && packagesTxt === undefined;
  const written = entry?.kind !== 'file' || entry.bytes <= DECLARED_BYTES_MAX;
  const text = asked && written ? (textOf(file) as string) : '';
  const texts = { requirementsTxt, packagesTxt, handler: { file, text } };
  const list = declaredBy(texts, {
    allow: packages_allow,
    builds: packages_build !== 'off',
    files: filesOf(dir, tree),
  });
  if (list === undefined) return undefined;
  const wheels = list.wheels.map(async (path) => ({ path, from: join(kept, path), sha256: await digestOf(dir, path) }));
  return declaredWith(list, await Promise.all(wheels));
}

/** Only what is a file itself, below directories: so no link can lead to where the list must not lead. */
function filesOf(dir: string, { entries }: Tree): LambdaFiles {
  const has = (path: string) => entries.some((entry) => entry.kind === 'file' && `./${entry.path}` === path);
  return {
    has,
    in: (of) => {
      const files = entries.filter(({ kind }) => kind === 'file').map(({ path }) => `./${path}`);
      return files.filter((path) => dirname(path) === of.replace(/^\.\/$/, '.'));
    },
    text: (path) => (has(path) ? readText(join(dir, path), path, DECLARED_BYTES_MAX) : undefined),
  };
}

async function digestOf(dir: string, path: string): Promise<string> {
  try {
    return await fileDigest(join(dir, path));
  } catch (error) {
    throw new Failure('lambda-invalid', `${path} cannot be read: ${errnoWords(error)}`, { cause: error });
  }
}
