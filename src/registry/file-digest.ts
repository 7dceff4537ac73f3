import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** SHA-256 of a file's bytes as 64 hex digits: the version that a bundle is. */
export async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file, { highWaterMark: 262_144 })) hash.update(piece as Buffer);
  return hash.digest('hex');
}
