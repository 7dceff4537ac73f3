/** Bytes that come in, written to a file and flushed, with their digests made on the way. */
import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { type ChecksumName, checksumOf } from './checksums.ts';
import { WRITE_BYTES } from './limits.ts';
import { S3Error } from './s3-error.ts';

export interface Spooled {
  bytes: number;
  /** In hex. */
  sha256: string;
  md5: Buffer;
  /** In base64, as S3 writes it; undefined unless one was asked for. */
  checksum: string | undefined;
}

export interface SpoolOptions {
  bytesMax: number;
  checksum?: ChecksumName | undefined;
}

/** At most twice `WRITE_BYTES` are in memory: what is written, and what comes meanwhile. */
export async function spool(
  source: AsyncIterable<Buffer>,
  handle: FileHandle,
  { bytesMax, checksum }: SpoolOptions,
): Promise<Spooled> {
  const sha256 = createHash('sha256');
  const md5 = createHash('md5');
  const hashes: (Hash | ReturnType<typeof checksumOf>)[] = [sha256, md5];
  const other = checksum === undefined ? undefined : checksumOf(checksum);
  if (other !== undefined) hashes.push(other);
  const writer = new Writer(handle);
  let bytes = 0;
  try {
    for await (const piece of source) {
      bytes += piece.length;
      if (bytes > bytesMax) throw new S3Error('EntityTooLarge', `It has more than ${bytesMax} bytes.`);
      const full = writer.add(piece);
      for (const hash of hashes) hash.update(piece);
      if (full !== undefined) await full;
    }
  } finally {
    await writer.end();
  }
  await handle.sync();
  return { bytes, sha256: sha256.digest('hex'), md5: md5.digest(), checksum: other?.digest().toString('base64') };
}

/** Writes what has come while the next comes. */
class Writer {
  readonly #handle: FileHandle;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** What to wait for before the next piece, if it is time. */
  add(piece: Buffer): Promise<void> | undefined {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return this.#bytes < WRITE_BYTES ? undefined : this.#write();
  }

  async end(): Promise<void> {
    if (this.#bytes > 0) await this.#write();
    await this.#writing;
  }

  /** Resolves when the write before is done: this one may go on. */
  async #write(): Promise<void> {
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    await this.#writing;
    this.#writing = writeAll(this.#handle, pieces, bytes);
    // It is awaited with the next write; until then nobody listens.
    this.#writing.catch(() => {});
  }
}

async function writeAll(handle: FileHandle, pieces: Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await handle.writev(pieces);
  if (bytesWritten === bytes) return;
  // A disk that fills up takes a part; what is left says why.
  let rest = Buffer.concat(pieces).subarray(bytesWritten);
  while (rest.length > 0) rest = rest.subarray((await handle.write(rest)).bytesWritten);
}
