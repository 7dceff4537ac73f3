import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** The last lines of a file, from `since` on and at most `bytesMax`; a line that is cut is left out. */
export function fileTail(path: string, since: number, bytesMax: number): string[] {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const end = fstatSync(fd).size;
    const start = Math.max(since, end - bytesMax, 0);
    const bytes = Buffer.alloc(Math.max(0, end - start));
    const length = readSync(fd, bytes, 0, bytes.length, start);
    const lines = bytes.toString('utf8', 0, length).split('\n');
    if (start > since) lines.shift();
    return lines.filter((line) => line.trim() !== '');
  } finally {
    closeSync(fd);
  }
}
