/** The thread's program, built as scripts/build.mjs does: Node 20 can not run it as it lies in src. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');

/**
 * The same, which dies of an ask with the id `deadly` when there is a file beside its database that says how: `.exit` before
 * it has looked, `.throw` likewise by an error, `.late` when it has committed and answered. The file goes first.
 */
const MORTAL = `
import { existsSync, rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
const { path } = workerData.options;
const dies = (how) => {
  const file = path + '.' + how;
  if (!existsSync(file)) return false;
  rmSync(file);
  return true;
};
for (const name of ['on', 'once']) {
  const listen = parentPort[name].bind(parentPort);
  parentPort[name] = (event, listener) =>
    listen(event, (message) => {
      const deadly = message.asks?.some(({ args }) => args.id === 'deadly') === true;
      if (deadly && dies('exit')) process.exit(3);
      if (deadly && dies('throw')) throw new Error('out of the blue');
      listener(message);
      if (deadly && dies('late')) process.exit(4);
    });
}
await import('./thread.js');
`;

/** Builds it before the tests of this file; it lies where Node finds better-sqlite3. */
export function useThreadProgram(): { readonly path: string; readonly mortal: string } {
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
  beforeAll(() => writeFileSync(join(dir, 'mortal.js'), MORTAL));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return { path: join(dir, 'thread.js'), mortal: join(dir, 'mortal.js') };
}
