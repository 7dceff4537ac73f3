/** Packs a lambda's directory. The same files make the same bytes, and so the same version, on any machine. */
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { HeaderData } from 'tar';
import { Failure } from '../config/failure.ts';
import { listTree, type Tree, TreeChanged, type TreeEntry } from './tree.ts';

const BLOCK_BYTES = 512;
/** Half the time of the usual level, for code that is 5 % larger. Another one makes other bytes: other versions. */
const GZIP_LEVEL = 4;
const EPOCH = new Date(0);

/**
 * Writes what a worker would copy of the directory (no `__pycache__`, no links out) to `file`, as .tar.gz.
 * Throws Failure `lambda-invalid` if the directory can not be one lambda's.
 */
export async function packDirectory(dir: string, file: string): Promise<void> {
  try {
    const tree = await listTree(dir, () => {});
    await pipeline(
      Readable.from(blocksOf(tree)),
      createGzip({ level: GZIP_LEVEL }),
      createWriteStream(file, { mode: 0o600 }),
    );
  } catch (error) {
    await rm(file, { force: true });
    if (error instanceof TreeChanged) {
      throw new Failure('lambda-invalid', `${dir} changed while it was packed; try again`, { cause: error });
    }
    if (!(error instanceof Failure) || error.code !== 'lambda-invalid') throw error;
    throw new Failure('lambda-invalid', `${dir} can not be packed: ${error.message}`, { cause: error });
  }
}

async function* blocksOf(tree: Tree): AsyncGenerator<Buffer> {
  const { Header, Pax } = await import('tar');
  for (const entry of [...tree.entries].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const facts = headerOf(entry);
    const header = new Header(facts);
    if (header.encode()) yield new Pax(facts).encode();
    yield header.block as Buffer;
    if (entry.kind === 'file') yield* contentOf(tree, entry);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

function headerOf(entry: TreeEntry): HeaderData {
  const common = { uid: 0, gid: 0, mtime: EPOCH };
  switch (entry.kind) {
    case 'directory':
      return { ...common, path: `${entry.path}/`, type: 'Directory', mode: 0o755, size: 0 };
    case 'link':
      return { ...common, path: entry.path, type: 'SymbolicLink', linkpath: entry.target, mode: 0o777, size: 0 };
    case 'file':
      return { ...common, path: entry.path, type: 'File', mode: entry.executable ? 0o755 : 0o644, size: entry.bytes };
  }
}

async function* contentOf(tree: Tree, { path, bytes }: TreeEntry & { kind: 'file' }): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const piece of createReadStream(join(tree.root, path), { highWaterMark: 262_144 })) {
    read += (piece as Buffer).length;
    if (read > bytes) throw new TreeChanged(path);
    yield piece as Buffer;
  }
  if (read !== bytes) throw new TreeChanged(path);
  yield Buffer.alloc((BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES);
}
