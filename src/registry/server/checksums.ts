/** The checksums that S3 clients send along, as a header or behind the body, and want back. */
import { createHash } from 'node:crypto';
import { crc32, crc32c, crc64nvme } from '../../lib/crc.ts';

export type ChecksumName = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256';

export interface Checksum {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

const HEADER = 'x-amz-checksum-';

const MAKERS: { readonly [N in ChecksumName]: () => Checksum } = {
  crc32,
  crc32c,
  crc64nvme,
  sha1: () => createHash('sha1'),
  sha256: () => createHash('sha256'),
};

export function checksumOf(name: ChecksumName): Checksum {
  return MAKERS[name]();
}

export function checksumHeader(name: ChecksumName): string {
  return `${HEADER}${name}`;
}

/** Of a header such as `x-amz-checksum-crc32`; undefined for any other, and for kinds that came after us. */
export function checksumNamed(header: string): ChecksumName | undefined {
  const name = header.trim().toLowerCase();
  if (!name.startsWith(HEADER)) return undefined;
  const kind = name.slice(HEADER.length);
  return Object.hasOwn(MAKERS, kind) ? (kind as ChecksumName) : undefined;
}
