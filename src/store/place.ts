/** Whether a file that is held open is still the one that its path names. */
import { statSync } from 'node:fs';

/**
 * True as long as it is. What is written to one that was removed or replaced is on no disk that anybody will read:
 * whoever is told that it was kept would be told wrong.
 */
export function holdPlace(path: string): () => boolean {
  const held = statSync(path);
  return () => {
    const now = statSync(path, { throwIfNoEntry: false });
    return now?.ino === held.ino && now.dev === held.dev;
  };
}
