/**
 * The host's side of python/unpack: writes the files that a sandbox makes of a wheel. What comes from there is a
 * stranger's word: every path is judged again, nothing is followed, nothing is written twice.
 */
import { chmod, type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { errnoOf } from '../lib/errno.ts';
import { PATH_SEGMENTS_MAX, UNPACKED_BYTES_MAX, WHEEL_FILES_MAX } from './limits.ts';
import type { Member } from './resolution.ts';

/** A sandbox that holds the unpacker as its lambda. Rejects with Failure `packages-failed` if it does not answer with a result. */
export interface Unpacker {
  ask(event: object): Promise<unknown>;
  close(): Promise<void>;
}

/** Starts one on the code in the directory. */
export type StartUnpacker = (codeDir: string) => Promise<Unpacker>;

export interface Unpacked {
  files: number;
  bytes: number;
}

/** Fills the new directory `into`. `file` is the wheel's name in the sandbox. */
export async function unpackWheel(unpacker: Unpacker, member: Member, file: string, into: string): Promise<Unpacked> {
  const { name, version } = member;
  const tree = new TreeWriter(into);
  try {
    await makeOpenDir(into);
    await unpacker.ask({ op: 'open', file, name, version });
    for (;;) {
      const piece = await unpacker.ask({ op: 'next' });
      if (!isPiece(piece)) throw refused('it was unpacked to something else than files');
      for (const part of piece.parts) await tree.write(part);
      if (piece.done) return await tree.finish();
    }
  } finally {
    await tree.abandon();
  }
}

/** A file stands where this one, or its directory, would. */
const TAKEN = ['EEXIST', 'ENOTDIR'];

type Part = readonly [path: string, executable: boolean, more: boolean, base64: string];

interface Piece {
  parts: readonly Part[];
  done: boolean;
}

class TreeWriter {
  readonly #root: string;
  readonly #dirs = new Set<string>(['.']);
  #open: { path: string; handle: FileHandle } | undefined;
  #files = 0;
  #bytes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  async write([path, executable, more, base64]: Part): Promise<void> {
    const data = Buffer.from(base64, 'base64');
    this.#bytes += data.length;
    if (this.#bytes > UNPACKED_BYTES_MAX) throw refused(`unpacked it has more than ${UNPACKED_BYTES_MAX} bytes`);
    this.#open ??= { path, handle: await this.#create(path, executable) };
    if (this.#open.path !== path) throw refused(`${this.#open.path} ends in the middle`);
    await this.#open.handle.writeFile(data);
    if (!more) await this.abandon();
  }

  async finish(): Promise<Unpacked> {
    if (this.#open !== undefined) throw refused(`${this.#open.path} ends in the middle`);
    return { files: this.#files, bytes: this.#bytes };
  }

  async abandon(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  async #create(path: string, executable: boolean): Promise<FileHandle> {
    this.#files += 1;
    if (this.#files > WHEEL_FILES_MAX) throw refused(`unpacked it has more than ${WHEEL_FILES_MAX} files`);
    if (!isInside(path)) throw refused(`the path ${JSON.stringify(path)} in it leads out of the package`);
    await this.#makeDir(dirname(path));
    const handle = await open(join(this.#root, path), 'wx', 0o600).catch((error: unknown) => {
      throw TAKEN.includes(errnoOf(error) ?? '') ? refused(`it has ${path} twice`) : error;
    });
    await handle.chmod(executable ? 0o755 : 0o644);
    return handle;
  }

  async #makeDir(path: string): Promise<void> {
    if (this.#dirs.has(path)) return;
    await this.#makeDir(dirname(path));
    await makeOpenDir(join(this.#root, path)).catch((error: unknown) => {
      throw TAKEN.includes(errnoOf(error) ?? '') ? refused(`it has ${path} twice`) : error;
    });
    this.#dirs.add(path);
  }
}

/** Modes are set apart from the making, because the umask has a say in the latter. */
async function makeOpenDir(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o755);
}

function isInside(path: string): boolean {
  const segments = path.split('/');
  if (segments.length > PATH_SEGMENTS_MAX || path.includes('\0')) return false;
  return segments.every((one) => one !== '' && one !== '.' && one !== '..' && Buffer.byteLength(one) <= 255);
}

function isPiece(value: unknown): value is Piece {
  const { parts, done } = (value ?? {}) as Partial<Piece>;
  return typeof done === 'boolean' && Array.isArray(parts) && parts.every(isPart);
}

function isPart(value: unknown): value is Part {
  if (!Array.isArray(value)) return false;
  const [path, executable, more, base64] = value;
  return (
    typeof path === 'string' &&
    typeof executable === 'boolean' &&
    typeof more === 'boolean' &&
    typeof base64 === 'string'
  );
}

function refused(what: string): Failure {
  return new Failure('packages-failed', what);
}
