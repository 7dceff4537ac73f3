import { close, closeSync, fsync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { giveToOwnerOf } from './give-to-owner.ts';

/**
 * Writes a file so that a reader sees the old content or the new, never a part, even across a
 * power cut: written beside it, as `<path>~<pid>`, flushed, then renamed over it. What root writes into
 * somebody else's directory is theirs.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o644): void {
  const fd = put(path, content, mode, fsyncSync);
  closeSync(fd);
}

/**
 * The same for who can not wait for the disk: readers see the new content when this returns, and it outlives a power cut
 * from when it resolves on. After one before that the file may be empty.
 */
export function writeFileFlushedLater(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
  const fd = put(path, content, mode, () => {});
  return promisify(fsync)(fd).finally(() => promisify(close)(fd));
}

/** The file's descriptor, which is the caller's. */
function put(path: string, content: string | Uint8Array, mode: number, flush: (fd: number) => void): number {
  const temporary = `${path}~${process.pid}`;
  try {
    rmSync(temporary, { force: true });
    // A new file: root follows no link that the directory's owner has laid there.
    const fd = openSync(temporary, 'wx', mode);
    try {
      giveToOwnerOf(dirname(path), fd);
      writeFileSync(fd, content);
      flush(fd);
      renameSync(temporary, path);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
