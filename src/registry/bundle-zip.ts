/**
 * Reads a .zip, strictly: the directory at its end and the headers before each file say the same, files lie
 * one after the other from the first byte to the directory, and what comes out has the size and the sum
 * that were said. So no two programs see different files in it, and no byte is unpacked twice.
 */
import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { Entry, ZipFile } from 'yauzl';
import { Failure } from '../config/failure.ts';
import { crc32 } from '../lib/crc.ts';
import type { BundleEntry } from './bundle-entry.ts';
import { refusal, refuse, shown } from './bundle-name.ts';
import { BUNDLE_PATH_BYTES_MAX, TREE_ENTRIES_MAX } from './limits.ts';

const STORED = 0;
const DEFLATED = 8;
/** Sizes and sum follow the data; the header before it says zero. */
const SIZES_FOLLOW = 0x08;
/** What may stand between two files: the sizes and the sum that follow the data, at most in 24 bytes. */
const DESCRIPTOR_BYTES_MAX = 24;
const UNICODE_PATH_FIELD = 0x7075;
const MADE_BY_UNIX = [3, 19];
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const END_SIGNATURE = Buffer.from('PK\x05\x06', 'latin1');

interface Extent {
  start: number;
  end: number;
}

/** Throws Failure `lambda-invalid` where the archive is broken. */
export async function* readZip(file: string): AsyncGenerator<BundleEntry> {
  try {
    yield* entriesOf(file);
  } catch (error) {
    throw damaged(error);
  }
}

/** What yauzl throws is about the archive, unless it comes from the disk. */
function damaged(error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error) || 'syscall' in error) return error;
  return refusal(`the zip archive is damaged: ${error.message}`, error);
}

async function* entriesOf(file: string): AsyncGenerator<BundleEntry> {
  const { default: yauzl } = await import('yauzl');
  const zip = await yauzl.openPromise(file, { lazyEntries: true, autoClose: false, decodeStrings: false });
  try {
    // The types have a boolean for what is an offset.
    const directoryStart = zip.readEntryCursor as unknown as number;
    // The end mark's own bytes in its comment are the end mark of another archive to some.
    if (Buffer.from(zip.comment).includes(END_SIGNATURE)) refuse('its comment holds the end of another archive');
    if (zip.entryCount > TREE_ENTRIES_MAX) refuse(`it has more than ${TREE_ENTRIES_MAX} files`);
    const extents: Extent[] = [];
    const entries: Entry[] = [];
    for await (const entry of zip.eachEntry()) {
      entries.push(entry);
      extents.push(await checkedExtent(zip, entry));
    }
    checkLayout(extents, directoryStart);
    for (const entry of entries) yield await entryOf(zip, entry);
  } finally {
    zip.close();
  }
}

/** Where header and data lie, once the header says what the directory does. */
async function checkedExtent(zip: ZipFile, entry: Entry): Promise<Extent> {
  const name = shown(nameOf(entry));
  if (entry.isEncrypted()) refuse(`${name} is encrypted`);
  if (![STORED, DEFLATED].includes(entry.compressionMethod)) {
    refuse(`${name} is compressed by method ${entry.compressionMethod}; only deflate is read`);
  }
  const local = await zip.readLocalFileHeaderPromise(entry);
  const follows = (local.generalPurposeBitFlag & SIZES_FOLLOW) !== 0;
  const zip64 = local.uncompressedSize === 0xffffffff || local.compressedSize === 0xffffffff;
  const same =
    local.fileName.equals(entry.fileNameRaw) &&
    local.compressionMethod === entry.compressionMethod &&
    ((local.generalPurposeBitFlag ^ entry.generalPurposeBitFlag) & 0x809) === 0 &&
    (follows || local.crc32 === entry.crc32) &&
    (follows ||
      zip64 ||
      (local.uncompressedSize === entry.uncompressedSize && local.compressedSize === entry.compressedSize));
  if (!same) refuse(`${name} is something else in the archive's directory than where its data lies`);
  return { start: entry.relativeOffsetOfLocalHeader, end: local.fileDataStart + entry.compressedSize };
}

/** No two files share bytes, and nothing lies between, before or behind them. */
function checkLayout(extents: readonly Extent[], directoryStart: number): void {
  const inOrder = [...extents].sort((a, b) => a.start - b.start);
  let end = 0;
  for (const extent of [...inOrder, { start: directoryStart, end: directoryStart }]) {
    if (extent.start < end) refuse('two files of the archive lie in the same place');
    const gap = extent.start - end;
    if (gap > (end === 0 ? 0 : DESCRIPTOR_BYTES_MAX))
      refuse('the archive holds bytes that belong to no file, perhaps another archive');
    end = extent.end;
  }
}

async function entryOf(zip: ZipFile, entry: Entry): Promise<BundleEntry> {
  const name = nameOf(entry);
  const { uncompressedSize: bytes } = entry;
  const mode = MADE_BY_UNIX.includes(entry.versionMadeBy >> 8) ? entry.externalFileAttributes >>> 16 : 0;
  const kind = mode & S_IFMT;
  if (name.endsWith('/') || kind === S_IFDIR) {
    if (bytes !== 0 || ![0, S_IFDIR].includes(kind)) refuse(`${shown(name)} is a directory and something else`);
    return { kind: 'directory', name };
  }
  if (kind === S_IFLNK) {
    if (bytes > BUNDLE_PATH_BYTES_MAX)
      refuse(`the link ${shown(name)} has a target of more than ${BUNDLE_PATH_BYTES_MAX} bytes`);
    const pieces: Buffer[] = [];
    for await (const piece of contentOf(zip, entry)) pieces.push(piece);
    return { kind: 'link', name, target: Buffer.concat(pieces).toString('utf8') };
  }
  if (kind !== 0 && kind !== S_IFREG) refuse(`${shown(name)} is a device, a pipe or a socket`);
  return { kind: 'file', name, bytes, executable: (mode & 0o100) !== 0, content: () => contentOf(zip, entry) };
}

async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  const sum = crc32();
  try {
    const stream: Readable = await zip.openReadStreamPromise(entry);
    for await (const piece of stream as AsyncIterable<Buffer>) {
      sum.update(piece);
      yield piece;
    }
  } catch (error) {
    throw damaged(error);
  }
  if (sum.digest().readUInt32BE() !== entry.crc32) refuse(`the contents of ${shown(nameOf(entry))} are damaged`);
}

/** UTF-8, whatever the archive says: what is not is shown as such, and refused by its mark. */
function nameOf({ fileNameRaw, extraFields }: Entry): string {
  const name = isUtf8(fileNameRaw) ? fileNameRaw.toString('utf8') : `${fileNameRaw.toString('latin1')}\u{FFFD}`;
  const other = extraFields.find((field) => field.id === UNICODE_PATH_FIELD);
  // One byte of version and four of a sum come before the name.
  if (other !== undefined && !other.data.subarray(5).equals(fileNameRaw)) refuse(`${shown(name)} has a second name`);
  return name;
}
