/** Where the single file's program is laid out, and what it consists of. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

export interface Contents {
  /** Of all that is inside: another build has another. */
  digest: string;
  files: readonly { path: string; mode: number; bytes: number }[];
}

/** Files of these programs live below `$XDG_CACHE_HOME/isla`, or `~/.cache/isla`. */
export function cacheDir(env: NodeJS.ProcessEnv): string {
  const chosen = env.XDG_CACHE_HOME;
  // The specification of these directories ignores relative ones.
  return join(chosen !== undefined && isAbsolute(chosen) ? chosen : join(homedir(), '.cache'), 'isla');
}
