import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { giveToOwnerOf } from './give-to-owner.ts';

/**
 * Writes a file so that a reader sees the old content or the new, never a part, even across a
 * power cut: written beside it, as `<path>~<pid>`, flushed, then renamed over it. What root writes into
 * somebody else's directory is theirs.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): void {
  const temporary = `${path}~${process.pid}`;
  try {
    rmSync(temporary, { force: true });
    // A new file: root follows no link that the directory's owner has laid there.
    const fd = openSync(temporary, 'wx', mode);
    try {
      giveToOwnerOf(dirname(path), fd);
      writeFileSync(fd, content);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
