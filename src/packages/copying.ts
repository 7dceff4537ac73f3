/** Takes what pip has fetched over: a copy of our own, with its digest, out of a directory that somebody else owns. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { WHEEL_BYTES_MAX } from './limits.ts';

const CHUNK_BYTES = 1_048_576;
/** Who pip is where its own user id does not exist: see python/fetch.py. */
const NOBODY = 65_534;

/**
 * Copies the file to the new file `to`, which anybody may read; returns its SHA-256 in hex. `owner` is the user who must
 * own it: pip's process says where it is, and may not name what it could not read.
 */
export async function copyFetched(from: string, to: string, owner: number | null): Promise<string> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await source.stat();
    if (!stat.isFile() || (owner !== null && ![owner, NOBODY].includes(stat.uid))) {
      throw new Failure('packages-failed', 'pip fetched something that is no file of its own');
    }
    if (stat.size > WHEEL_BYTES_MAX) {
      throw new Failure('packages-failed', `${basename(from)} has ${stat.size} bytes; ${WHEEL_BYTES_MAX} are allowed`);
    }
    const target = await open(to, 'wx', 0o644);
    try {
      await target.chmod(0o644);
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return hash.digest('hex');
        hash.update(buffer.subarray(0, bytesRead));
        await target.writeFile(buffer.subarray(0, bytesRead));
      }
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** A directory that a sandbox can have as its code: the unpacker, and a place for wheels. */
export function makeUnpackerCode(programDir: string, into: string): Promise<void> {
  const from = join(programDir, 'packages/python/unpack');
  return makeCode({ from, files: ['lambda_func.py', 'wheel.py', 'record.py'], into, place: 'wheels' });
}

/** A directory that a sandbox can have as its code: the builder, and a place for a source distribution. */
export function makeBuilderCode(programDir: string, into: string): Promise<void> {
  const from = join(programDir, 'packages/python/build');
  return makeCode({ from, files: ['lambda_func.py', 'hook.py'], into, place: 'source' });
}

async function makeCode(code: { from: string; files: readonly string[]; into: string; place: string }): Promise<void> {
  const { from, files, into, place } = code;
  for (const dir of [into, join(into, place)]) {
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755);
  }
  for (const file of files) {
    await copyFile(join(from, file), join(into, file));
    await chmod(join(into, file), 0o644);
  }
}
