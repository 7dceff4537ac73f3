/** A Docker daemon of the benchmark's own with an image of this machine's Python: the tests', which are TypeScript. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ROOT } from '../bed.mjs';

/** `use` gets `{ env, image }`; what runs with that environment talks to the daemon. */
export async function withDocker(use) {
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-docker-'));
  try {
    const { Dockerd, IMAGE } = await testDaemon(temp);
    const dockerd = await Dockerd.start();
    try {
      return await use({ env: dockerd.env, image: IMAGE });
    } finally {
      await dockerd.dispose();
    }
  } finally {
    rmSync(temp, { recursive: true });
  }
}

async function testDaemon(temp) {
  const outfile = join(temp, 'dockerd.mjs');
  const entry = join(ROOT, 'test/docker/dockerd.ts');
  const define = { 'import.meta.dirname': JSON.stringify(dirname(entry)) };
  const options = { bundle: true, platform: 'node', format: 'esm', define, logLevel: 'warning' };
  await build({ entryPoints: [entry], outfile, ...options });
  return import(pathToFileURL(outfile).href);
}
