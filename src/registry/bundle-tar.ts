/**
 * Reads a .tar.gz, strictly: one gzip stream that ends where the file ends, one archive that ends with its
 * end mark, and no header that two programs could read differently. Headers are decoded by `tar`; which
 * blocks are headers, and what pax records say, is decided here.
 */
import { createReadStream, statSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import type { Header } from 'tar';
import type { BundleEntry } from './bundle-entry.ts';
import { refuse, shown } from './bundle-name.ts';
import { ByteQueue } from './byte-queue.ts';
import {
  BUNDLE_RATIO_FROM_BYTES,
  BUNDLE_RATIO_MAX,
  TAR_EXTENSION_BYTES_MAX,
  TREE_BYTES_MAX,
  TREE_ENTRIES_MAX,
} from './limits.ts';
import { parsePax } from './tar-pax.ts';

const BLOCK_BYTES = 512;
const PIECE_BYTES = 128 * 1024;
/** All contents, and for each entry a header, an extension of the usual size with its header, and padding. */
const STREAM_BYTES_MAX = TREE_BYTES_MAX + TREE_ENTRIES_MAX * 8 * BLOCK_BYTES;

/** The kinds of entries, as headers name them. */
const FILE = '0';
const OLD_FILE = '\0';
const HARD_LINK = '1';
const LINK = '2';
const DEVICES = ['3', '4', '6'];
const DIRECTORY = '5';
const EXTENSION = 'x';
const EXTENSION_OF_ALL = 'g';
const LONG_NAME = 'L';
const LONG_TARGET = 'K';

/** What an extension says of the entry that follows. */
interface Extension {
  path?: string;
  linkpath?: string;
  size?: number;
}

/** Throws Failure `lambda-invalid` where the archive is broken. */
export async function* readTar(file: string): AsyncGenerator<BundleEntry> {
  const { Header } = await import('tar');
  const queue = new ByteQueue(gunzipped(file));
  try {
    yield* entriesOf(queue, Header);
    await expectEnd(queue);
  } finally {
    await queue.close();
  }
}

async function* entriesOf(queue: ByteQueue, TarHeader: typeof Header): AsyncGenerator<BundleEntry> {
  let extension: Extension = {};
  for (;;) {
    const block = await queue.take(BLOCK_BYTES);
    if (block.length < BLOCK_BYTES) refuse('it is cut off: the archive has no end mark');
    const { header, type, bytes: ownBytes } = decode(TarHeader, block);
    if (header.nullBlock) break;
    const more = await readExtension(type, ownBytes, queue);
    if (more !== undefined) {
      extension = { ...extension, ...more };
      continue;
    }
    const bytes = extension.size ?? ownBytes;
    const left = { bytes };
    yield entryOf(header, extension, { type, queue, bytes, left });
    await queue.skip(left.bytes + padding(bytes));
    extension = {};
  }
  if (Object.keys(extension).length > 0) refuse('its last header belongs to no entry');
}

/**
 * Kind and size are read from the block itself: `tar` takes a file for an empty directory if its short name
 * ends so, and takes for sizes what others do not.
 */
interface Block {
  header: Header;
  type: string;
  bytes: number;
}

const TYPE_AT = 156;
const SIZE_FIELD = { start: 124, end: 136 };

function decode(TarHeader: typeof Header, block: Buffer): Block {
  const damage = 'a header in the archive is damaged, or this is no tar archive';
  let header: Header;
  try {
    header = new TarHeader(block);
  } catch (error) {
    return refuse(damage, error);
  }
  const bytes = header.nullBlock ? 0 : sizeOf(block.subarray(SIZE_FIELD.start, SIZE_FIELD.end));
  if (bytes === undefined || !(header.nullBlock || header.cksumValid)) return refuse(damage);
  return { header, type: String.fromCharCode(block[TYPE_AT] as number), bytes };
}

/** Octal digits; or, after a byte of 0x80, a number in base 256. */
function sizeOf(field: Buffer): number | undefined {
  if (field[0] === 0x80) {
    const size = Number(field.readBigUInt64BE(4));
    return field.readUInt32BE(0) === 0x80000000 && Number.isSafeInteger(size) ? size : undefined;
  }
  const octal = /^ *([0-7]+)[ \0]*$/.exec(field.toString('latin1'));
  return octal === null ? undefined : Number.parseInt(octal[1] as string, 8);
}

interface Body {
  type: string;
  queue: ByteQueue;
  bytes: number;
  /** What has not been read of it. */
  left: { bytes: number };
}

function entryOf(header: Header, extension: Extension, { type, queue, bytes, left }: Body): BundleEntry {
  const name = extension.path ?? header.path ?? '';
  switch (type) {
    case FILE:
    case OLD_FILE:
      // Long ago directories were files whose names end so.
      if (name.endsWith('/')) return directoryOf(name, bytes);
      return {
        kind: 'file',
        name,
        bytes,
        executable: ((header.mode ?? 0) & 0o100) !== 0,
        content: () => queue.piecewise(left),
      };
    case DIRECTORY:
      return directoryOf(name, bytes);
    case LINK:
      if (bytes !== 0) refuse(`the link ${shown(name)} has contents of its own`);
      return { kind: 'link', name, target: extension.linkpath ?? header.linkpath ?? '' };
    case HARD_LINK:
      return refuse(`${shown(name)} is a hard link; make the archive with \`tar --hard-dereference\``);
    default:
      if (DEVICES.includes(type)) refuse(`${shown(name)} is a device or a pipe`);
      return refuse(`${shown(name)} is an entry of a kind that is no file, directory or link`);
  }
}

function directoryOf(name: string, bytes: number): BundleEntry {
  if (bytes !== 0) refuse(`the directory ${shown(name)} has contents of its own`);
  return { kind: 'directory', name };
}

/** The header's own extension of the next entry; undefined if it is an entry itself. */
async function readExtension(type: string, bytes: number, queue: ByteQueue): Promise<Extension | undefined> {
  switch (type) {
    case EXTENSION:
      return parsePax(await extensionBytes(bytes, queue));
    case EXTENSION_OF_ALL: {
      const { path, linkpath, size } = parsePax(await extensionBytes(bytes, queue));
      if (path !== undefined || linkpath !== undefined || size !== undefined) {
        refuse('a global header of the archive names every file the same');
      }
      return {};
    }
    case LONG_NAME:
      return { path: cString(await extensionBytes(bytes, queue)) };
    case LONG_TARGET:
      return { linkpath: cString(await extensionBytes(bytes, queue)) };
    default:
      return undefined;
  }
}

async function extensionBytes(size: number, queue: ByteQueue): Promise<Buffer> {
  if (size > TAR_EXTENSION_BYTES_MAX) refuse(`a header of the archive has more than ${TAR_EXTENSION_BYTES_MAX} bytes`);
  const bytes = await queue.take(size);
  if (bytes.length < size) refuse('it is cut off inside a header');
  await queue.skip(padding(size));
  return bytes;
}

/** Up to the NUL that ends it, if one does. */
function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

function padding(bytes: number): number {
  return (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** A first block of zeros has been read: a second makes the end mark, and more of them may fill up a record. */
async function expectEnd(queue: ByteQueue): Promise<void> {
  const second = await queue.take(BLOCK_BYTES);
  if (second.length < BLOCK_BYTES) refuse('it is cut off: the archive has half an end mark');
  for (let rest = second; rest.length > 0; rest = await queue.take(BLOCK_BYTES * 20)) {
    if (rest.some((byte) => byte !== 0)) refuse('something follows the end of the archive, perhaps another one');
  }
}

/** Throws as soon as more comes out than could be right, whatever the headers say. */
async function* gunzipped(file: string): AsyncGenerator<Buffer> {
  const fileBytes = statSync(file).size;
  const source = createReadStream(file, { highWaterMark: PIECE_BYTES });
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  source.on('error', (error) => gunzip.destroy(error));
  let bytes = 0;
  try {
    for await (const piece of source.pipe(gunzip) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > STREAM_BYTES_MAX) refuse(`unpacked it is larger than ${TREE_BYTES_MAX / 1024 / 1024} MiB`);
      if (bytes > BUNDLE_RATIO_FROM_BYTES && bytes > fileBytes * BUNDLE_RATIO_MAX) {
        refuse(`it unpacks to more than ${BUNDLE_RATIO_MAX} times its size`);
      }
      yield piece;
    }
  } catch (error) {
    if (!isZlibError(error)) throw error;
    refuse(`its compression is damaged or cut off (${error.message})`, error);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
  if (gunzip.bytesWritten !== fileBytes) refuse('something follows the end of its compression');
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
}
