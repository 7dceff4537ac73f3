import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { unpackBundle, validateBundle } from '../../../src/registry/bundle.ts';
import { packDirectory } from '../../../src/registry/bundle-pack.ts';
import { scratchDir } from '../scratch-dir.ts';
import { extraField, pax, type TarItem, tar, tarBlocks, tarGz, uint64, type ZipItem, zip } from './archives.ts';

const LAMBDA = { name: 'lambda_func.py', body: 'def handler(event):\n    return event\n' };
const MIB = 1024 * 1024;

let place: string;
beforeEach(() => {
  place = mkdtempSync(join(scratchDir(), 'isla-hostile-'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

/** Both ways to read it refuse it with the same words, and nothing is there afterwards that was not before. */
async function expectRefused(bytes: Buffer, complaint: RegExp): Promise<void> {
  const file = join(place, 'bundle');
  writeFileSync(file, bytes);
  const inner = join(place, 'inner');
  mkdirSync(inner);
  const said = await unpackBundle(file, join(inner, 'out')).then(
    () => 'nothing',
    (error: Error & { code?: string }) => `${error.code}: ${error.message}`,
  );
  expect(said).toMatch(complaint);
  expect(said).toMatch(/^lambda-invalid: .*the bundle can not be used: |lambda\.json/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be in it.
  expect(said).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/);
  await expect(validateBundle(file)).rejects.toThrow(said.replace('lambda-invalid: ', ''));
  expect(readdirSync(place).sort()).toEqual(['bundle', 'inner']);
  expect(readdirSync(inner)).toEqual([]);
}

/** Entries that no archive may have, whatever its format. */
const NAMES: [what: string, names: string[], complaint: RegExp][] = [
  ['a path that leads up', ['../escape'], /"\.\.\/escape" leads up/],
  ['a path that leads up in the middle', ['a/../../escape'], /leads up/],
  ['a path that leads up and comes back', ['a/../b'], /leads up/],
  ['an absolute path', ['/tmp/isla-escape'], /is absolute/],
  ['an absolute path of another system', ['C:/escape'], /is absolute/],
  ['backslashes', ['..\\escape'], /holds a backslash/],
  ['a newline in a name', ['a\nb'], /"a\\u\{a\}b" holds a control character/],
  ['an escape sequence in a name', ['\u001b[31mred'], /control character/],
  ['a C1 control in a name', ['a\u009bb'], /control character/],
  ['a name that turns the text around', ['a\u202eyp.cnuf'], /control character/],
  ['names that differ in case', ['Readme', 'README'], /"Readme" and "README" are one file/],
  ['directories that differ in case', ['lib/a', 'LIB/b'], /"lib" and "LIB" are one file/],
  ['names that differ in case in another alphabet', ['straße', 'STRASSE'], /are one file/],
  ['names that differ in the form of letters', ['\u00e9', 'e\u0301'], /are one file/],
  ['one name twice', ['a', 'a'], /"a" is in it twice/],
  ['one name twice, spelt differently', ['a', './/a'], /"a" is in it twice/],
  ['the handler twice', ['lambda_func.py'], /"lambda_func\.py" is in it twice/],
  ['a file that is a directory, too', ['a', 'a/b'], /"a" is a file, and "a\/b" is to lie in it/],
  ['a directory that is a file, too', ['a/b', 'a'], /"a" is a directory and a file/],
  ['a name that is too long', ['x'.repeat(256)], /has more than 255 bytes/],
  ['a name that is too long in bytes', ['ü'.repeat(128)], /has more than 255 bytes/],
  ['a path that is too long', [Array(12).fill('x'.repeat(99)).join('/')], /has more than 1024 bytes/],
  ['directories nested too deep', [`${'d/'.repeat(33)}x`], /nested more than 32 deep/],
  ['directories nested far too deep', [`${'d/'.repeat(400)}x`], /nested more than 32 deep/],
  ['an empty name', [''], /names no file|directory/],
];

test.each(NAMES)('.tar.gz: %s', async (_, names, complaint) => {
  const items = names.flatMap((name) =>
    (Buffer.byteLength(name) > 40 ? [pax({ path: name })] : []).concat({ name: name.slice(0, 40), body: 'x' }),
  );
  await expectRefused(tarGz([LAMBDA, ...items]), complaint);
});

test.each(NAMES)('.zip: %s', async (_, names, complaint) => {
  await expectRefused(zip([LAMBDA, ...names.map((name) => ({ name, body: 'x' }))]), complaint);
});

const BROKEN_UTF8 = Buffer.from([0x61, 0xff, 0x62]);

const TARS: [what: string, items: TarItem[], complaint: RegExp][] = [
  ['a NUL in a name', [pax({ path: 'lambda_func.py\0.txt' }), { name: 'x' }], /control character/],
  ['a name that is not UTF-8', [{ name: 'L', type: 'L', body: BROKEN_UTF8 }, { name: 'x' }], /not UTF-8/],
  ['a character device', [{ name: 'null', type: '3' }], /device or a pipe/],
  ['a block device', [{ name: 'sda', type: '4' }], /device or a pipe/],
  ['a pipe', [{ name: 'fifo', type: '6' }], /device or a pipe/],
  ['a hard link', [{ name: 'x', type: '1', link: 'lambda_func.py' }], /hard link; .*--hard-dereference/],
  ['a hard link out', [{ name: 'x', type: '1', link: '/etc/passwd' }], /hard link/],
  ['a multi-volume entry', [{ name: 'x', type: 'M' }], /kind that is no file/],
  ['a sparse file of old', [{ name: 'x', type: 'S' }], /kind that is no file/],
  ['a sparse file of today', [pax({ 'GNU.sparse.major': '1' }), { name: 'x' }], /sparse/],
  ['a kind nobody knows', [{ name: 'x', type: 'Q' }], /kind that is no file/],
  ['an absolute link', [{ name: 'x', type: '2', link: '/etc/passwd' }], /"x" to "\/etc\/passwd" is absolute/],
  ['a link out', [{ name: 'a/x', type: '2', link: '../../y' }], /leads out of the bundle/],
  [
    'a link out by an extension',
    [pax({ linkpath: '../y' }), { name: 'x', type: '2', link: 'lambda_func.py' }],
    /leads out/,
  ],
  [
    'a link out by way of another',
    [
      { name: 'd/up', type: '2', link: '..' },
      { name: 'x', type: '2', link: 'd/up/../y' },
    ],
    /"x" to "d\/up\/\.\.\/y" leads out/,
  ],
  ['a link to nothing', [{ name: 'x', type: '2', link: 'y' }], /leads nowhere/],
  ['a link to what is left out', [{ name: '.git/y' }, { name: 'x', type: '2', link: '.git/y' }], /leads nowhere/],
  ['a link to itself', [{ name: 'x', type: '2', link: 'x' }], /circle/],
  [
    'two links to one another',
    [
      { name: 'x', type: '2', link: 'y' },
      { name: 'y', type: '2', link: 'x' },
    ],
    /circle/,
  ],
  [
    'a file written through a link',
    [
      { name: 'x', type: '2', link: '/tmp' },
      { name: 'x/isla-escape', body: 'x' },
    ],
    /"x" is a link, and "x\/isla-escape" is to lie in it/,
  ],
  [
    'a file in the place of a link',
    [
      { name: 'x', type: '2', link: '/tmp/isla-escape' },
      { name: 'x', body: 'x' },
    ],
    /"x" is in it twice/,
  ],
  ['a directory with contents', [{ name: 'x/', type: '5', body: 'x' }], /contents of its own/],
  ['a directory of old with contents', [{ name: 'x/', body: 'x' }], /contents of its own/],
  ['a link with contents', [{ name: 'x', type: '2', link: 'y', body: 'x' }], /contents of its own/],
  [
    'a target that is too long',
    [pax({ linkpath: 'x/'.repeat(600) }), { name: 'x', type: '2' }],
    /target of more than 1024 bytes/,
  ],
  ['a damaged header', [{ name: 'x', wrongSum: 1 }], /header in the archive is damaged/],
  ['a size that is no number', [{ name: 'x', size: Number.NaN }], /size of "x"|damaged/],
  ['more contents than there are', [{ name: 'x', size: 10 * MIB }], /cut off inside a file/],
  ['an extension of nothing', [pax({ path: 'x' })], /belongs to no entry/],
  [
    'an extension that is damaged',
    [{ name: 'p', type: 'x', body: '99 path=x\n' }, { name: 'x' }],
    /extended header of the archive is damaged/,
  ],
  [
    'an extension with a record too short',
    [{ name: 'p', type: 'x', body: '5 path=x\n' }, { name: 'x' }],
    /extended header of the archive is damaged/,
  ],
  ['an extension with a negative size', [pax({ size: '-1' }), { name: 'x' }], /damaged/],
  [
    'an extension that contradicts itself',
    [{ name: 'p', type: 'x', body: '10 path=a\n10 path=b\n' }, { name: 'x' }],
    /says "path" twice/,
  ],
  ['an extension for all', [pax({ path: 'x' }, 'g'), { name: 'y' }], /names every file the same/],
  ['an extension that is large', [{ name: 'p', type: 'x', size: 8_000_000_000 }], /more than 65536 bytes/],
];

test.each(TARS)('.tar.gz: %s', async (_, items, complaint) => {
  await expectRefused(tarGz([LAMBDA, ...items]), complaint);
});

const GOOD = tarGz([LAMBDA]);

const FILES: [what: string, bytes: () => Buffer, complaint: RegExp][] = [
  ['nothing at all', () => Buffer.alloc(0), /it is no archive; a bundle is a \.tar\.gz or a \.zip/],
  ['a script', () => Buffer.from(LAMBDA.body), /it is no archive/],
  ['a tar archive without compression', () => tar([LAMBDA]), /tar archive without compression/],
  ['bzip2', () => Buffer.from('BZh91AY&SY'), /compressed with bzip2/],
  ['something else that is compressed', () => gzipSync('x'.repeat(2000)), /damaged, or this is no tar/],
  ['an empty .tar.gz', () => tarGz([]), /it is empty/],
  [
    'a .tar.gz of nothing but directories',
    () => tarGz([{ name: 'a/', type: '5' }]),
    /there is none of lambda_func\.py/,
  ],
  [
    'a .tar.gz with a directory for a handler',
    () => tarGz([{ name: 'lambda_func.py/', type: '5' }]),
    /there is none of lambda_func/,
  ],
  [
    'a .tar.gz with two folders',
    () => tarGz([{ name: 'a/lambda_func.py' }, { name: 'b/x' }]),
    /there is none of lambda_func\.py, .* at its top, nor/,
  ],
  [
    'a .tar.gz with a lambda two folders down',
    () => tarGz([{ name: 'a/b/lambda_func.py' }]),
    /there is none of lambda_func/,
  ],
  [
    'a .tar.gz whose handler is a link to nothing',
    () => tarGz([{ name: 'lambda_func.py', type: '2', link: 'x' }]),
    /leads nowhere/,
  ],
  [
    'a link out of the folder around it',
    () => tarGz([{ name: 'a/lambda_func.py' }, { name: 'a/x', type: '2', link: '../a' }]),
    /leads out/,
  ],
  ['a truncated gzip stream', () => GOOD.subarray(0, GOOD.length - 4), /compression is damaged or cut off/],
  [
    'a damaged gzip stream',
    () => Buffer.concat([GOOD.subarray(0, 40), Buffer.from('xxxx'), GOOD.subarray(44)]),
    /compression is damaged/,
  ],
  [
    'a gzip stream with a wrong sum',
    () => Buffer.concat([GOOD.subarray(0, -8), Buffer.alloc(4), GOOD.subarray(-4)]),
    /compression is damaged/,
  ],
  ['a tar archive cut off in a header', () => gzipSync(tar([LAMBDA]).subarray(0, 100)), /cut off/],
  ['a tar archive cut off in a file', () => gzipSync(tar([LAMBDA]).subarray(0, 520)), /cut off inside a file/],
  ['a tar archive without an end mark', () => gzipSync(tarBlocks([LAMBDA])), /no end mark/],
  [
    'a tar archive with half an end mark',
    () => gzipSync(Buffer.concat([tarBlocks([LAMBDA]), Buffer.alloc(512)])),
    /half an end mark/,
  ],
  [
    'an end mark in the middle',
    () => gzipSync(Buffer.concat([tarBlocks([LAMBDA]), Buffer.alloc(512), tar([{ name: 'x' }])])),
    /follows the end of the archive/,
  ],
  [
    'two tar archives in one stream',
    () => gzipSync(Buffer.concat([tar([LAMBDA]), tar([{ name: 'x' }])])),
    /follows the end of the archive/,
  ],
  ['two .tar.gz one after the other', () => Buffer.concat([GOOD, GOOD]), /follows the end of the archive/],
  [
    'a .tar.gz with something behind it',
    () => Buffer.concat([GOOD, Buffer.from('more')]),
    /compression is damaged|follows the end/,
  ],
  [
    'a .tar.gz with zeros and another behind it',
    () => Buffer.concat([GOOD, Buffer.alloc(10), GOOD]),
    /follows the end of its compression/,
  ],
  ['a .tar.gz inside a .gz', () => gzipSync(Buffer.concat([GOOD, Buffer.alloc(2000)])), /damaged, or this is no tar/],
  [
    'a file that unpacks to too much',
    () => tarGz([LAMBDA, { name: 'x', body: Buffer.alloc(20 * MIB) }]),
    /more than 100 times its size/,
  ],
  [
    'zeros without an end',
    () => gzipSync(Buffer.concat([tar([LAMBDA]), Buffer.alloc(20 * MIB)])),
    /more than 100 times its size/,
  ],
  ['a file that says it is huge', () => tarGz([LAMBDA, { name: 'x', size: 251 * MIB }]), /larger than 250 MiB/],
  [
    'too many files',
    () => tarGz([LAMBDA, ...Array.from({ length: 10_000 }, (_, at) => ({ name: `f${at}` }))]),
    /more than 10000 files/,
  ],
  [
    'too many directories that no entry names',
    () => tarGz([LAMBDA, ...Array.from({ length: 1_000 }, (_, at) => ({ name: `${at}/${'d/'.repeat(28)}x` }))]),
    /more than 10000 directories/,
  ],
];

test.each(FILES)('%s', async (_, bytes, complaint) => {
  await expectRefused(bytes(), complaint);
});

const HUGE = 0xffffffff;

const ZIPS: [what: string, bytes: () => Buffer, complaint: RegExp][] = [
  ['empty', () => zip([]), /empty zip/],
  ['truncated', () => zip([LAMBDA]).subarray(0, -5), /damaged: .*truncated/i],
  ['cut off in the middle', () => zip([LAMBDA, { name: 'x', body: 'x'.repeat(99) }]).subarray(0, 90), /damaged/],
  ['NUL in a name', () => zip([LAMBDA, { name: 'a\0b' }]), /control character/],
  ['a name that is not UTF-8', () => zip([LAMBDA, { name: BROKEN_UTF8, flags: 0 }]), /not UTF-8/],
  [
    'another name before the data',
    () => zip([{ ...LAMBDA, local: { name: Buffer.from('lambda_evil.py') } }]),
    /something else in the archive's directory/,
  ],
  [
    'another size before the data',
    () => zip([{ ...LAMBDA, local: { bytes: 7 } }]),
    /something else in the archive's directory/,
  ],
  [
    'another method before the data',
    () => zip([{ ...LAMBDA, local: { method: 0 } }]),
    /something else in the archive's directory/,
  ],
  [
    'a second name',
    () => zip([{ ...LAMBDA, extra: extraField(0x7075, Buffer.concat([Buffer.alloc(5), Buffer.from('evil.py')])) }]),
    /has a second name/,
  ],
  ['encrypted', () => zip([LAMBDA, { name: 'x', body: 'x', flags: 0x801 }]), /"x" is encrypted/],
  ['strongly encrypted', () => zip([LAMBDA, { name: 'x', body: 'x', flags: 0x841 }]), /encrypt/],
  [
    'another compression',
    () => zip([LAMBDA, { name: 'x', body: 'x', facts: { method: 12 } }]),
    /compressed by method 12/,
  ],
  ['a wrong sum', () => zip([{ ...LAMBDA, facts: { crc: 1 } }]), /contents of "lambda_func\.py" are damaged/],
  [
    'damaged data',
    () =>
      zip([
        { ...LAMBDA, stored: true },
        { name: 'x', body: 'x', facts: { bytes: 2 } },
      ]),
    /damaged/,
  ],
  [
    'more comes out than was said',
    () => zip([LAMBDA, { name: 'x', body: 'x'.repeat(9), facts: { bytes: 3 } }]),
    /too many bytes/,
  ],
  [
    'less comes out than was said',
    () => zip([LAMBDA, { name: 'x', body: 'xxx', facts: { bytes: 9 } }]),
    /not enough bytes/,
  ],
  [
    'a stored file with two sizes',
    () => zip([LAMBDA, { name: 'x', body: 'xxx', stored: true, facts: { bytes: 9 } }]),
    /size mismatch/,
  ],
  [
    'data beyond the end',
    () => zip([LAMBDA, { name: 'x', body: 'x', facts: { compressed: 1 << 30 } }]),
    /overflow|damaged/,
  ],
  [
    'zip64 that says it is huge',
    () => zip([LAMBDA, { name: 'x', body: 'x', facts: { bytes: HUGE }, extra: extraField(1, uint64(2 ** 50)) }]),
    /larger than 250 MiB|damaged/,
  ],
  [
    'zip64 that says it is small',
    () =>
      zip([
        LAMBDA,
        { name: 'x', body: Buffer.alloc(3 * MIB), facts: { bytes: HUGE }, extra: extraField(1, uint64(3)) },
      ]),
    /too many bytes|in the archive's directory/,
  ],
  [
    'zip64 without its numbers',
    () => zip([LAMBDA, { name: 'x', body: 'x', facts: { bytes: HUGE } }]),
    /larger than 250 MiB|damaged/,
  ],
  [
    'zip64 cut short',
    () => zip([LAMBDA, { name: 'x', body: 'x', facts: { bytes: HUGE }, extra: extraField(1, Buffer.alloc(3)) }]),
    /damaged/,
  ],
  ['more files than there are', () => zip([LAMBDA], { entryCount: 9 }), /damaged/],
  [
    'fewer files than there are',
    () => zip([LAMBDA, { name: 'x', body: 'x' }], { entryCount: 1 }),
    /bytes that belong to no file/,
  ],
  ['far more files than may be', () => zip([LAMBDA], { entryCount: 65_000 }), /more than 10000 files/],
  [
    'two files in one place',
    () => zip([LAMBDA, { ...LAMBDA, name: 'lambda_func.py', facts: { offset: 0 } }]),
    /lie in the same place/,
  ],
  [
    'two archives one after the other',
    () => Buffer.concat([zip([{ name: 'x', body: 'x' }]), zip([LAMBDA])]),
    /damaged|belong to no file/,
  ],
  [
    'an archive inside the gaps of another',
    () => zip([LAMBDA, { name: 'x', body: 'x' }], { between: zip([LAMBDA]) }),
    /belong to no file/,
  ],
  [
    'something before its first file',
    () => zip([LAMBDA], { before: Buffer.from('PK\x03\x04 no header') }),
    /belong to no file/,
  ],
  ['something behind it', () => Buffer.concat([zip([LAMBDA]), Buffer.from('more')]), /comment length/],
  ['an end in its comment', () => zip([LAMBDA], { comment: zip([]) }), /end of another archive|comment|empty/],
  ['a directory with contents', () => zip([LAMBDA, { name: 'x/', body: 'x' }]), /directory and something else/],
  ['a device', () => zip([LAMBDA, { name: 'x', mode: 0o020666 }]), /device, a pipe or a socket/],
  ['a pipe', () => zip([LAMBDA, { name: 'x', mode: 0o010666 }]), /device, a pipe or a socket/],
  ['a link out', () => zip([LAMBDA, { name: 'x', mode: 0o120777, body: '../y' }]), /leads out/],
  ['an absolute link', () => zip([LAMBDA, { name: 'x', mode: 0o120777, body: '/etc/passwd' }]), /is absolute/],
  [
    'a link with NUL',
    () => zip([LAMBDA, { name: 'x', mode: 0o120777, body: 'lambda_func.py\0' }]),
    /absolute|NUL|control/,
  ],
  [
    'a target that is too long',
    () => zip([LAMBDA, { name: 'x', mode: 0o120777, body: 'x/'.repeat(600) }]),
    /target of more than 1024/,
  ],
  [
    'a file that unpacks to too much',
    () => zip([LAMBDA, { name: 'x', body: Buffer.alloc(20 * MIB) }]),
    /more than 100 times its size/,
  ],
  ['many files that share one deflated block', () => overlapping(), /lie in the same place/],
];

/** The bomb without recursion: each name's header is part of the data of the one before. */
function overlapping(): Buffer {
  const items: ZipItem[] = [LAMBDA, ...['a', 'b', 'c'].map((name) => ({ name, body: 'x'.repeat(50), stored: true }))];
  const bytes = zip(items);
  // Every later file's data begins where the first one's does.
  const at = bytes.indexOf('PK\x01\x02', 0, 'latin1');
  for (let entry = at; bytes.readUInt32LE(entry) === 0x02014b50; entry += 46 + bytes.readUInt16LE(entry + 28)) {
    if (bytes.readUInt16LE(entry + 28) !== 1) continue;
    const first = bytes.indexOf('PK\x03\x04', 30, 'latin1');
    bytes[first + 30] = 'a'.charCodeAt(0);
    bytes[entry + 46] = 'a'.charCodeAt(0);
    bytes.writeUInt32LE(first, entry + 42);
  }
  return bytes;
}

test.each(ZIPS)('.zip: %s', async (_, bytes, complaint) => {
  await expectRefused(bytes(), complaint);
});

test('a directory that holds what no bundle may is not packed', async () => {
  mkdirSync(join(place, 'hello'));
  symlinkSync('nothing', join(place, 'hello/x'));
  writeFileSync(join(place, 'hello/lambda_func.py'), '');
  await packDirectory(join(place, 'hello'), join(place, 'bundle'));
  await expect(validateBundle(join(place, 'bundle'))).rejects.toThrow(/leads nowhere/);
});

test('a bundle that is larger than any may be is not even read', async () => {
  const file = join(place, 'bundle');
  writeFileSync(file, gunzipSync(GOOD));
  const { truncateSync } = await import('node:fs');
  truncateSync(file, 257 * MIB);
  await expect(validateBundle(file)).rejects.toThrow(/larger than 256 MiB/);
  expect(existsSync(join(place, 'out'))).toBe(false);
});
