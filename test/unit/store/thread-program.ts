/** The thread's program, built as scripts/build.mjs does: Node 20 can not run it as it lies in src. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');

/** Builds it before the tests of this file; it lies where Node finds better-sqlite3. */
export function useThreadProgram(): { readonly path: string } {
  const dir = mkdtempSync(join(ROOT, 'node_modules', '.isla-thread-'));
  beforeAll(() =>
    build({
      absWorkingDir: ROOT,
      entryPoints: ['src/store/thread.ts'],
      outdir: dir,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20.12',
      packages: 'external',
    }),
  );
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return { path: join(dir, 'thread.js') };
}
