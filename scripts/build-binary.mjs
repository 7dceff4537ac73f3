#!/usr/bin/env node
/**
 * Makes dist/admin-linux-<arch>: the Node that runs this, the program with its packages, better-sqlite3's compiled half
 * and the files that sandboxes run, as one executable (Node's single executable applications). What it does first is in
 * src/single-file/boot.ts.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { inject } from 'postject';
import { buildProgram } from './build.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
/** better-sqlite3 and what it needs, less its sources. */
const SQLITE = {
  'better-sqlite3': /^(package\.json|LICENSE|lib\/.*\.js|build\/Release\/better_sqlite3\.node)$/,
  bindings: /^(package\.json|LICENSE\.md|bindings\.js)$/,
  'file-uri-to-path': /^(package\.json|LICENSE|index\.js)$/,
};
/** The whole of it is an ES module, which only one that lies in a file can import. */
const ENTER = "import('./dist/main.js');\n";

async function buildBinary() {
  const temp = await mkdtemp(join(tmpdir(), 'isla-binary-'));
  try {
    const tree = join(temp, 'tree');
    await buildProgram({ outDir: join(tree, 'dist'), whole: true });
    await addSqlite(tree);
    await writeFile(join(tree, 'package.json'), `${JSON.stringify(await manifest(), null, 2)}\n`);
    await writeFile(join(tree, 'enter.cjs'), ENTER);
    const blob = await makeBlob(temp, tree);
    return await makeExecutable(temp, blob);
  } finally {
    await rm(temp, { recursive: true });
  }
}

async function addSqlite(tree) {
  for (const [name, wanted] of Object.entries(SQLITE)) {
    const from = join(ROOT, 'node_modules', name);
    for (const path of (await filesBelow(from)).filter((file) => wanted.test(file))) {
      const into = join(tree, 'node_modules', name, path);
      await mkdir(dirname(into), { recursive: true });
      await copyFile(join(from, path), into);
    }
  }
  const compiled = join(tree, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node');
  await stat(compiled).catch(() => {
    throw new Error('better-sqlite3 has not been compiled: rm -f node_modules/.sqlite-gave-up && ./quickstart/deps.sh');
  });
}

async function manifest() {
  const { name, version, license } = await readJson(join(ROOT, 'package.json'));
  const sqlite = await readJson(join(ROOT, 'node_modules/better-sqlite3/package.json'));
  const inside = [`Node ${process.versions.node}`, `better-sqlite3 ${sqlite.version}`];
  return { name, version, license, type: 'module', singleFile: { platform: `linux-${process.arch}`, inside } };
}

async function makeBlob(temp, tree) {
  const files = [];
  const digest = createHash('sha256').update(process.version);
  for (const path of (await filesBelow(tree)).sort()) {
    const { mode, size } = await stat(join(tree, path));
    files.push({ path, mode: mode & 0o111 ? 0o755 : 0o644, bytes: size });
    digest.update(`${path}\0${mode & 0o111}\0`).update(await readFile(join(tree, path)));
  }
  const contents = join(temp, 'contents.json');
  await writeFile(contents, JSON.stringify({ digest: digest.digest('hex').slice(0, 32), files }));
  const assets = Object.fromEntries(files.map(({ path }) => [path, join(tree, path)]));
  const boot = join(temp, 'boot.cjs');
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/single-file/boot.ts'],
    outfile: boot,
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20.12',
  });
  const config = join(temp, 'sea.json');
  const output = join(temp, 'blob');
  const sea = { main: boot, output, disableExperimentalSEAWarning: true, assets: { ...assets, contents } };
  await writeFile(config, JSON.stringify(sea));
  await run(process.execPath, ['--experimental-sea-config', config]);
  return readFile(output);
}

async function makeExecutable(temp, blob) {
  const draft = join(temp, 'admin');
  await copyFile(process.execPath, draft);
  await chmod(draft, 0o755);
  await inject(draft, 'NODE_SEA_BLOB', blob, { sentinelFuse: FUSE });
  const path = join(ROOT, 'dist', `admin-linux-${process.arch}`);
  await mkdir(dirname(path), { recursive: true });
  // An older one may be running: it is replaced, never written to.
  await copyFile(draft, `${path}.new`);
  await rename(`${path}.new`, path);
  return path;
}

async function filesBelow(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath ?? entry.path, entry.name)));
}

async function readJson(path) {
  return JSON.parse(await readFile(path, 'utf8'));
}

const path = await buildBinary();
const { size } = await stat(path);
process.stdout.write(`built ${relative(ROOT, path)} (${(size / 1e6).toFixed(0)} MB)\n`);
