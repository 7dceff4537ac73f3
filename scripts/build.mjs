#!/usr/bin/env node
/**
 * Builds the program: src/main.ts becomes dist/main.js, what runs in a thread of it lies in dist as it lies in src,
 * and so do the files that sandboxes run.
 *
 * A worker may run from dist/ while it is rebuilt. So nothing is ever emptied or written in place:
 * each file that changed is written under another name and renamed over the old one, main.js last,
 * and the chunks of earlier builds (their names hold a digest) stay for those who still load them.
 */
import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** The program, what runs in threads of it, and the client as a library. */
const ENTRIES = ['src/main.ts', 'src/store/thread.ts', 'src/client/client.ts'];
/** Rooms whose files are cargo of the built program: sandboxes run them as they are, or browsers. */
const CARGO_DIRS = [
  'sandbox/sock/spawner',
  'sandbox/sock/zygote',
  'sandbox/docker/inside',
  'runtime/python',
  'runtime/node',
  'runtime/kernel',
  'packages/python',
  'console/page',
];
const CARGO_FILE = /\.(py|mjs|cjs|html|css|js|svg)$/;
/** Packages with compiled parts, without which their users do as well, or which the single file brings beside it. */
const COMPILED = ['better-sqlite3', 'cpu-features'];
/** Packages that are CommonJS count on these. */
const COMMON_JS = `import { createRequire as requireFrom } from 'node:module';
const require = requireFrom(import.meta.url);
const __dirname = import.meta.dirname;`;
const WHOLE = { external: [...COMPILED, '*.node'], banner: { js: COMMON_JS }, sourcemap: false };
const OLD_CHUNK_AGE_MS_MAX = 30 * 24 * 3600 * 1000;

/** `whole`: with the packages that it needs inside, but for those with compiled parts. */
export async function buildProgram({ root = ROOT, outDir = join(root, 'dist'), whole = false } = {}) {
  const bundled = await bundle(root, outDir, whole ? WHOLE : { packages: 'external' });
  const cargo = await readCargo(join(root, 'src'), outDir);
  const files = [...cargo, ...bundled].sort((a, b) => rank(a.path) - rank(b.path));
  for (const file of files) await put(file);
  await dropOldChunks(join(outDir, 'chunks'), new Set(files.map((file) => file.path)));
  return files.map((file) => relative(outDir, file.path));
}

async function bundle(root, outDir, options) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outbase: 'src',
    outdir: outDir,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.12',
    sourcemap: true,
    ...options,
    sourcesContent: false,
    legalComments: 'none',
    write: false,
    logLevel: 'warning',
  });
  return result.outputFiles.map((file) => ({ path: file.path, bytes: Buffer.from(file.contents), mode: 0o644 }));
}

async function readCargo(srcDir, outDir) {
  const files = [];
  for (const dir of CARGO_DIRS) {
    const entries = await readdir(join(srcDir, dir), { recursive: true, withFileTypes: true }).catch(orNone);
    for (const entry of entries) {
      if (!entry.isFile() || !CARGO_FILE.test(entry.name)) continue;
      const source = join(entry.parentPath ?? entry.path, entry.name);
      const { mode } = await stat(source);
      const path = join(outDir, relative(srcDir, source));
      files.push({ path, bytes: await readFile(source), mode: mode & 0o111 ? 0o755 : 0o644 });
    }
  }
  return files;
}

function orNone(error) {
  if (error.code === 'ENOENT') return [];
  throw error;
}

/** Whoever reads an entry must find what it names: chunks are put first, main.js last. */
function rank(path) {
  if (/[/\\]main\.js$/.test(path)) return 2;
  return /[/\\]chunks[/\\]/.test(path) ? 0 : 1;
}

async function put({ path, bytes, mode }) {
  if (await holds(path, bytes, mode)) {
    const now = new Date();
    return utimes(path, now, now);
  }
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.new`;
  try {
    await writeFile(draft, bytes, { flag: 'wx' });
    await chmod(draft, mode); // writeFile's mode passes through the umask; sandboxes read as another user
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function holds(path, bytes, mode) {
  try {
    return ((await stat(path)).mode & 0o777) === mode && (await readFile(path)).equals(bytes);
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

async function dropOldChunks(dir, fresh) {
  for (const name of await readdir(dir).catch(orNone)) {
    const path = join(dir, name);
    if (fresh.has(path)) continue;
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > OLD_CHUNK_AGE_MS_MAX) await rm(path, { force: true });
  }
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const started = process.hrtime.bigint();
  const files = await buildProgram();
  const ms = Number((process.hrtime.bigint() - started) / 1_000_000n);
  process.stdout.write(`built dist/ (${files.length} files, ${ms} ms)\n`);
}
