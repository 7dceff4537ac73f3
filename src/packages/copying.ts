/** Takes what pip has fetched over: a copy of our own, with its digest, out of a directory that somebody else owns. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../config/failure.ts';
import { WHEEL_BYTES_MAX } from './limits.ts';

const CHUNK_BYTES = 1_048_576;

/** Copies the file to the new file `to`, which anybody may read; returns its SHA-256 in hex. */
export async function copyWheel(from: string, to: string): Promise<string> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = await source.stat();
    if (!stat.isFile()) throw new Failure('packages-failed', 'pip fetched something that is no file');
    if (stat.size > WHEEL_BYTES_MAX) {
      throw new Failure('packages-failed', `a wheel has ${stat.size} bytes; ${WHEEL_BYTES_MAX} are allowed`);
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
export async function makeUnpackerCode(programDir: string, into: string): Promise<void> {
  for (const dir of [into, join(into, 'wheels')]) {
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755);
  }
  for (const file of UNPACKER_FILES) {
    await copyFile(join(programDir, UNPACKER_DIR, file), join(into, file));
    await chmod(join(into, file), 0o644);
  }
}

const UNPACKER_DIR = 'packages/python/unpack';
const UNPACKER_FILES = ['lambda_func.py', 'wheel.py'];
