/**
 * The files of a lambda, as the editor has them: read, written and removed one by one. In a registry that is a store, this
 * is for lambdas that were made through an API. Links are not followed, and what is too long or no text is only listed.
 */
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Failure } from '../config/failure.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { errnoOf } from '../lib/errno.ts';
import { giveToOwnerOf } from '../lib/give-to-owner.ts';
import type { LambdaName } from '../registry/source.ts';

export interface CodeFile {
  /** Below the lambda's directory. */
  path: string;
  bytes: number;
  /** Null if it is too long to be edited, or no text. */
  text: string | null;
}

export const TEXT_BYTES_MAX = 256 * 1024;
const FILES_MAX = 200;
const SEGMENT = /^(?!\.\.?$)[A-Za-z0-9._-]{1,100}$/;
const DEPTH_MAX = 5;

/** Lambdas that were made through an API: their code is changed as a whole, by an edited copy that takes its place. */
export interface WholeCode {
  owns(lambda: LambdaName): Promise<boolean>;
  /** `change` is given the directory of the copy. Rejects with Failure `lambda-invalid` if it could not be run. */
  editCode(lambda: LambdaName, change: (dir: string) => Promise<void>): Promise<void>;
}

export interface CodePlaces {
  whole: WholeCode;
  /** Where lambdas are directories that people edit; undefined if they lie elsewhere. */
  registryDir: string | undefined;
  /** Where there is none: has `read` look at the current code, which stays meanwhile; undefined if there is no such lambda. */
  withCode<T>(lambda: LambdaName, read: (dir: string) => Promise<T>): Promise<T | undefined>;
}

export class CodeFiles {
  readonly #places: CodePlaces;

  constructor(places: CodePlaces) {
    this.#places = places;
  }

  /** Whether lambdas can be made here. */
  get takesNew(): boolean {
    return this.#places.registryDir !== undefined;
  }

  async mayEdit(lambda: LambdaName): Promise<boolean> {
    return this.takesNew || this.#places.whole.owns(lambda);
  }

  /** By path; empty if there is no such lambda. */
  async list(lambda: LambdaName): Promise<CodeFile[]> {
    const { registryDir, withCode } = this.#places;
    if (registryDir !== undefined) return filesIn(join(registryDir, lambda));
    return (await withCode(lambda, filesIn)) ?? [];
  }

  /** Throws Failure `name-invalid` if the path is not one, or leads through something that is no directory. */
  async write(lambda: LambdaName, path: string, text: Uint8Array): Promise<void> {
    const segments = segmentsOf(path);
    const write = async (parent: string, below: readonly string[]): Promise<void> =>
      writeFileAtomic(await placeOf(parent, below, { makes: true }), text);
    const { whole } = this.#places;
    if (await whole.owns(lambda)) await whole.editCode(lambda, (dir) => write(dir, segments));
    else await write(this.#registryDir(), [lambda, ...segments]);
  }

  /** The lambda goes with its last file. As `write`. */
  async remove(lambda: LambdaName, path: string): Promise<void> {
    const segments = segmentsOf(path);
    const { whole } = this.#places;
    if (await whole.owns(lambda)) await whole.editCode(lambda, (dir) => removeBelow(dir, segments));
    else await removeBelow(this.#registryDir(), [lambda, ...segments]);
  }

  #registryDir(): string {
    const { registryDir } = this.#places;
    if (registryDir !== undefined) return registryDir;
    throw new Failure('lambda-missing', 'This lambda can not be edited here; use `admin upload`.');
  }
}

async function filesIn(dir: string): Promise<CodeFile[]> {
  const files: CodeFile[] = [];
  const directories = [dir];
  for (let at = directories.shift(); at !== undefined && files.length < FILES_MAX; at = directories.shift()) {
    for (const entry of await entriesOf(at)) {
      const place = join(at, entry.name);
      if (entry.isDirectory()) directories.push(place);
      else if (entry.isFile() && files.length < FILES_MAX) files.push(await readText(place, relative(dir, place)));
    }
  }
  return files.sort((a, b) => a.path.localeCompare(b.path));
}

/** With the directories that are empty then. */
async function removeBelow(parent: string, segments: readonly string[]): Promise<void> {
  const place = await placeOf(parent, segments, { makes: false });
  await rm(place, { force: true });
  for (let dir = dirname(place); dir !== parent; dir = dirname(dir)) {
    try {
      await rmdir(dir);
    } catch (error) {
      if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'ENOENT') return;
      throw error;
    }
  }
}

function segmentsOf(path: string): string[] {
  const segments = path.split('/');
  if (segments.length <= DEPTH_MAX && segments.every((one) => SEGMENT.test(one))) return segments;
  throw new Failure('name-invalid', `${JSON.stringify(path)} is no path of a file of a lambda`);
}

/** Below `parent`, through nothing but directories. */
async function placeOf(parent: string, segments: readonly string[], { makes }: { makes: boolean }): Promise<string> {
  let dir = parent;
  for (const segment of segments.slice(0, -1)) {
    const above = dir;
    dir = join(dir, segment);
    if (makes && (await mkdir(dir, { recursive: true })) !== undefined) giveToOwnerOf(above, dir);
    const found = await lstat(dir).catch(() => undefined);
    if (!found?.isDirectory()) throw new Failure('name-invalid', `${segment} is no directory`);
  }
  return join(dir, segments.at(-1) as string);
}

async function entriesOf(dir: string) {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

async function readText(place: string, path: string): Promise<CodeFile> {
  const file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size > TEXT_BYTES_MAX) return { path, bytes: size, text: null };
    const bytes = await file.readFile();
    return { path, bytes: bytes.length, text: isText(bytes) ? bytes.toString('utf8') : null };
  } finally {
    await file.close();
  }
}

function isText(bytes: Buffer): boolean {
  return !bytes.includes(0) && Buffer.from(bytes.toString('utf8')).equals(bytes);
}
