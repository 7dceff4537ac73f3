/** The files of a tar archive in memory, as sessions hand them out. Pure. */

export interface TarFile {
  name: string;
  bytes: Buffer;
}

const BLOCK = 512;

/** Regular files only. Throws if it ends in the midst of one. */
export function filesOfTar(archive: Buffer): TarFile[] {
  const files: TarFile[] = [];
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header[0] === 0) break;
    const size = sizeOf(header);
    const bytes = archive.subarray(at + BLOCK, at + BLOCK + size);
    if (bytes.length < size) throw new Error('the archive ends in the midst of a file');
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = String.fromCharCode(header[TYPE] ?? 0);
    if (type === 'x') longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(bytes.toString('utf8'))?.[1] ?? longName;
    else if (type === 'L') longName = text(bytes);
    else {
      if (type === '0' || type === '\0') files.push({ name: longName ?? nameOf(header), bytes: Buffer.from(bytes) });
      longName = undefined;
    }
  }
  return files;
}

const TYPE = 156;

function nameOf(header: Buffer): string {
  const name = text(header.subarray(0, 100));
  const prefix = text(header.subarray(257, 262)) === 'ustar' ? text(header.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** In octal digits, or as a number of which the first bit is set. */
function sizeOf(header: Buffer): number {
  const field = header.subarray(124, 136);
  if (((field[0] ?? 0) & 0x80) === 0) return Number.parseInt(text(field).trim() || '0', 8);
  return Number(BigInt(`0x${field.subarray(1).toString('hex')}`));
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}
