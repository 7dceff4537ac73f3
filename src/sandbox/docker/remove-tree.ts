/**
 * Removes what a handler has left on the disk, who is gone: directories that nobody may read, or so deep that no path
 * is long enough for what lies in them. Node's own `rmSync` fails at both unless it is root.
 */
import { chmodSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** How what is being removed is called. */
export const HEAP = 'removing-';

/** `room`: a directory of ours on the same disk, for as long as this takes. No link is followed. Happy if there is nothing. */
export function removeTree(path: string, room: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isDirectory()) {
    unlinkSync(path);
    return;
  }
  const heap = mkdtempSync(join(room, HEAP));
  const dirs = [path];
  let moved = 0;
  for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
    chmodSync(dir, 0o700);
    for (const entry of readdirSync(Buffer.from(dir), { withFileTypes: true, encoding: 'buffer' })) {
      const inside = Buffer.concat([Buffer.from(`${dir}/`), entry.name as unknown as Buffer]);
      if (!entry.isDirectory()) {
        unlinkSync(inside);
        continue;
      }
      // A directory can be moved by who may write to it.
      chmodSync(inside, 0o700);
      const next = join(heap, String(moved++));
      renameSync(inside, next);
      dirs.push(next);
    }
    rmdirSync(dir);
  }
  rmdirSync(heap);
}
