/**
 * Bundles: a lambda as one file, .tar.gz or .zip, told apart by what is in them. Both are judged by the same
 * guard (limits.ts has its numbers), before they are sent, when they arrive and when they are unpacked.
 *
 * What lies in a single folder, as people pack it, counts as lying at the top. Links may stay inside.
 * Nobody gets more rights than to read and run: of a file's mode one bit counts.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { HandlerName } from '../config/handler-name.ts';
import {
  LAMBDA_FILE,
  type LambdaSpec,
  type LambdaTerms,
  parseLambdaSpec,
  WIDEST_TERMS,
} from '../config/lambda-spec.ts';
import { LAMBDA_JSON_BYTES_MAX } from '../config/limits.ts';
import type { BundleEntry, BundleFormat } from './bundle-entry.ts';
import { BundleGuard } from './bundle-guard.ts';
import { refuse } from './bundle-name.ts';
import { readTar } from './bundle-tar.ts';
import { BundleTree } from './bundle-tree.ts';
import { readZip } from './bundle-zip.ts';
import { handlerFileOf } from './handler-files.ts';
import { BUNDLE_BYTES_MAX } from './limits.ts';

export interface BundleFacts {
  format: BundleFormat;
  /** `lambda_func.py`, or another name that is looked for. */
  handler: string;
  /** Files, directories and links. */
  entries: number;
  /** Of all files, unpacked. */
  bytes: number;
  /** What its `lambda.json` asks for. */
  config: LambdaSpec;
}

export interface BundleOptions {
  /** What its `lambda.json` may ask for; all that any cluster may allow if it is not given. */
  terms?: LambdaTerms;
  /** One that was named elsewhere, whatever its `lambda.json` says. */
  handler?: HandlerName;
}

/** Reads all of the bundle and writes nothing. Throws Failure `lambda-invalid` with what is wrong with it. */
export function validateBundle(file: string, options: BundleOptions = {}): Promise<BundleFacts> {
  return walk(file, options, undefined);
}

/**
 * Fills the new directory `dir` with a lambda's code, modes as snapshots have them. If anything is wrong with
 * the bundle, the directory is gone again, and Failure `lambda-invalid` says what it was.
 */
export async function unpackBundle(file: string, dir: string, options: BundleOptions = {}): Promise<BundleFacts> {
  const tree = new BundleTree(dir);
  try {
    return await walk(file, options, tree);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

async function walk(
  file: string,
  { terms = WIDEST_TERMS, handler: named }: BundleOptions,
  tree: BundleTree | undefined,
) {
  const format = formatOf(file);
  const guard = new BundleGuard(statSync(file).size);
  const configs = new LambdaFiles();
  for await (const entry of format === 'zip' ? readZip(file) : readTar(file)) {
    const path = guard.admit(entry);
    if (path === undefined) {
      if (entry.kind === 'file') await readToEnd(entry);
    } else if (entry.kind === 'directory') tree?.directory(path);
    else if (entry.kind === 'file') {
      const pieces = configs.listen(path, entry);
      if (tree === undefined) for await (const _ of pieces);
      else await tree.file(path, pieces, entry.executable);
    }
  }
  const { folder, isThere, links, entries, bytes } = guard.finish(named);
  const config = parseLambdaSpec(configs.text(folder, links), terms);
  const { file: handler } = handlerFileOf({ ...config, handler: named ?? config.handler }, isThere);
  tree?.finish(folder, links);
  return { format, handler, entries, bytes, config };
}

/** Also of what is left out: only then is its sum known to be right. */
async function readToEnd(entry: BundleEntry & { kind: 'file' }): Promise<void> {
  for await (const _ of entry.content());
}

/** Keeps the text of every file that may turn out to be the lambda's `lambda.json`. */
class LambdaFiles {
  readonly #texts = new Map<string, string>();
  /** Only the first folder can be the single one. */
  #folder: string | undefined;

  listen(path: string, entry: BundleEntry & { kind: 'file' }): AsyncIterable<Buffer> {
    const parts = path.split('/');
    if (parts.length > 1) this.#folder ??= parts[0] as string;
    if (path === LAMBDA_FILE || path === `${this.#folder}/${LAMBDA_FILE}`) return this.#keep(path, entry);
    return entry.content();
  }

  text(folder: string, links: ReadonlyMap<string, string>): string | undefined {
    const path = folder === '' ? LAMBDA_FILE : `${folder}/${LAMBDA_FILE}`;
    if (links.has(path)) refuse(`${LAMBDA_FILE} is a link; put the file itself there`);
    return this.#texts.get(path);
  }

  async *#keep(path: string, entry: BundleEntry & { kind: 'file' }): AsyncGenerator<Buffer> {
    if (entry.bytes > LAMBDA_JSON_BYTES_MAX) refuse(`${LAMBDA_FILE} has more than ${LAMBDA_JSON_BYTES_MAX} bytes`);
    const pieces: Buffer[] = [];
    for await (const piece of entry.content()) {
      pieces.push(Buffer.from(piece));
      yield piece;
    }
    this.#texts.set(path, Buffer.concat(pieces).toString('utf8'));
  }
}

/** Beginnings of files that are no bundle, and what they are. */
const OTHERS: readonly [string, string][] = [
  ['BZh', 'compressed with bzip2'],
  ['\xfd7zXZ', 'compressed with xz'],
  ['\x28\xb5\x2f\xfd', 'compressed with zstd'],
  ['7z\xbc\xaf', 'a 7z archive'],
  ['Rar!', 'a rar archive'],
  ['PK\x05\x06', 'an empty zip archive'],
];
const TAR_MAGIC_AT = 257;

/** Throws Failure `lambda-invalid` if it is neither. */
function formatOf(file: string): BundleFormat {
  const { size } = statSync(file);
  if (size > BUNDLE_BYTES_MAX) refuse(`it is larger than ${BUNDLE_BYTES_MAX / 1024 / 1024} MiB`);
  const start = firstBytes(file, TAR_MAGIC_AT + 5).toString('latin1');
  if (start.startsWith('\x1f\x8b')) return 'tar.gz';
  if (start.startsWith('PK\x03\x04')) return 'zip';
  const wanted = 'a bundle is a .tar.gz or a .zip';
  if (start.slice(TAR_MAGIC_AT) === 'ustar') refuse(`it is a tar archive without compression; ${wanted}`);
  const other = OTHERS.find(([beginning]) => start.startsWith(beginning));
  return refuse(other === undefined ? `it is no archive; ${wanted}` : `it is ${other[1]}; ${wanted}`);
}

function firstBytes(file: string, bytes: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(fd, buffer, 0, bytes, 0));
  } finally {
    closeSync(fd);
  }
}
