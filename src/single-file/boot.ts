/**
 * What runs first in the single file: it lays the program out below the user's cache directory, once for each build,
 * and goes on there. The program then finds its files where a built checkout has them, and threads, workers and
 * sandboxes can be given paths, which nothing that is only inside an executable has.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { getRawAsset } from 'node:sea';
import { layOut } from './lay-out.ts';
import { type Contents, cacheDir } from './place.ts';

function asset(key: string): Buffer {
  // Its bytes are part of the executable: only ever read. Never a string, whatever its type says.
  return Buffer.from(getRawAsset(key) as ArrayBuffer);
}

try {
  const contents = JSON.parse(asset('contents').toString()) as Contents;
  const umask = process.umask(0o022);
  const dir = layOut({ contents, read: asset, executable: process.execPath, cache: cacheDir(process.env) });
  process.umask(umask);
  // Workers, threads and handlers in JavaScript are run by it: this file would only ever run this program.
  process.execPath = join(dir, 'node');
  createRequire(join(dir, 'enter.cjs'))('./enter.cjs');
} catch (error) {
  process.stderr.write(`admin: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
