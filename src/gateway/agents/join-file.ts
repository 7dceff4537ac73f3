/** What a gateway writes for the workers of its cluster: how it is joined. For the eyes of the cluster's owner only. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-write.ts';
import { errnoOf } from '../../lib/errno.ts';
import { formatJoin, JOIN_FILE } from '../../session/link/hello.ts';

/** Beside it, for those who take it to workers elsewhere; it stays the same when the gateway is started anew. */
const TOKEN_FILE = 'token';
const TOKEN_BYTES = 32;

export interface JoinFile {
  readonly token: string;
  /** Workers of the cluster join from now on. */
  announce(url: string): void;
  /** They do no longer, and stop trying. Idempotent. */
  withdraw(): void;
}

/** `dir` is the setting `gateway_dir`. */
export function openJoinFile(dir: string): JoinFile {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const token = readToken(join(dir, TOKEN_FILE));
  const file = join(dir, JOIN_FILE);
  return {
    token,
    announce: (url) => writeFileAtomic(file, formatJoin({ url, token }), 0o600),
    withdraw: () => rmSync(file, { force: true }),
  };
}

function readToken(file: string): string {
  try {
    const token = readFileSync(file, 'utf8').trim();
    if (token !== '') return token;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  writeFileAtomic(file, `${token}\n`, 0o600);
  return token;
}
