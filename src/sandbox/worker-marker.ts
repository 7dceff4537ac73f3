import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';

/** The name under which everything of one worker is found again, whoever looks for it. */
export function markerOf(workerDir: string): string {
  return createHash('sha256').update(realpathSync(workerDir)).digest('hex').slice(0, 12);
}
