import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The directory that holds sandbox/sock/ and runtime/: src/ of a checkout, or dist/, where this
 * code is in main.js or in a chunk one level down.
 */
export function programDir(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return existsSync(join(here, 'sandbox', 'sock')) ? here : dirname(here);
}
