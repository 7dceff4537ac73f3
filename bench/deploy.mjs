#!/usr/bin/env node
/**
 * From an upload to the first answer of the new version: a bundle of 10 MB goes to the cluster's registry, and as
 * soon as the upload is acknowledged another worker is called. Once with `admin upload`, which is a process of
 * its own and packs a directory, once with the bare PUT of an S3 client. Beside it: how long the same file takes
 * over a plain Node HTTP server into a file, and back.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildProgram } from '../scripts/build.mjs';
import { round, summary, table } from './stats.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const run = promisify(execFile);

const BUNDLE_BYTES = 10_000_000;
const ROUNDS = 20;
const PROMISED_MS = 1_000;

async function main() {
  await buildProgram();
  process.stdout.write(`${cpus().length} cores, kernel ${release()}, load ${round(loadavg()[0])}\n\n`);
  const temp = mkdtempSync(join(tmpdir(), 'isla-bench-'));
  const cluster = join(temp, 'cluster');
  const admin = (command, ...args) => run(join(ROOT, 'bin/admin'), [command, `--cluster=${cluster}`, ...args]);
  await admin('new');
  await admin('registry', '--port=0');
  await admin('workers', '--port=0', '--num-workers=2');
  try {
    const { stdout } = await admin('status');
    const ports = [...stdout.matchAll(/http:\/\/[^\s:]+:(\d+)\/status => ready/g)].map((found) => Number(found[1]));
    const rows = [['milliseconds', 'n', 'p50', 'p99', 'max']];
    const row = (what, times) => {
      const { n, p50, p99, max } = summary(times);
      rows.push([what, n, p50, p99, max]);
    };
    const floor = await floorTimes(temp);
    row('floor: 10 MB over HTTP into a file', floor.up);
    row('floor: the same back', floor.down);
    const byAdmin = await rounds(ports, (version) => adminUpload({ admin, temp, version }));
    row('`admin upload` of a directory', byAdmin.upload);
    row('first call of the new version after it', byAdmin.call);
    row('both', byAdmin.both);
    const template = JSON.parse(readFileSync(join(cluster, 'config/template.json'), 'utf8'));
    const put = await signedPut(template);
    const byPut = await rounds(ports, (version) => put(bundleOf(temp, version)));
    row('PUT of a .tar.gz', byPut.upload);
    row('first call of the new version after it', byPut.call);
    row('both', byPut.both);
    process.stdout.write(`${table(rows)}\n\n`);
    const worst = Math.max(summary(byAdmin.both).p50, summary(byPut.both).p50);
    process.stdout.write(
      `promised: under ${PROMISED_MS} ms; ${worst < PROMISED_MS ? 'kept' : 'NOT KEPT'} (${worst} at p50)\n`,
    );
  } finally {
    await admin('kill');
    rmSync(temp, { recursive: true });
  }
}

/** The upload, then a call of the worker that has not been called for the version before. */
async function rounds(ports, upload) {
  const times = { upload: [], call: [], both: [] };
  for (let at = 0; at < ROUNDS; at += 1) {
    const version = `${at}-${randomBytes(4).toString('hex')}`;
    const began = await upload(version);
    const uploaded = performance.now();
    const said = await call(ports[at % ports.length]);
    const called = performance.now();
    if (said !== JSON.stringify(version)) throw new Error(`the call said ${said}, not ${version}`);
    times.upload.push(uploaded - began);
    times.call.push(called - uploaded);
    times.both.push(called - began);
  }
  return times;
}

function makeCode(dir, version) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(join(dir, 'lambda_func.py'), `def handler(event):\n    return "${version}"\n`);
  writeFileSync(join(dir, 'model.bin'), randomBytes(BUNDLE_BYTES));
}

/** When it began: making the code is not the registry's. */
async function adminUpload({ admin, temp, version }) {
  const dir = join(temp, 'code');
  makeCode(dir, version);
  const began = performance.now();
  await admin('upload', '--handler=deployed', `--file=${dir}`);
  return began;
}

async function bundleOf(temp, version) {
  makeCode(join(temp, 'code'), version);
  const file = join(temp, 'code.tar.gz');
  await run('tar', ['-czf', file, '-C', join(temp, 'code'), '.']);
  return readFileSync(file);
}

/** Signs as any S3 client does. */
async function signedPut(template) {
  const { buildSync } = await import('esbuild');
  const built = buildSync({
    entryPoints: [join(ROOT, 'src/registry/signature.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    write: false,
  });
  const code = Buffer.from(built.outputFiles[0].contents).toString('base64');
  const { signedHeaders } = await import(`data:text/javascript;base64,${code}`);
  const { access_key: accessKey, secret_key: secretKey } = JSON.parse(
    readFileSync(template.registry_keys_file, 'utf8'),
  );
  const url = new URL('/registry/deployed.tar.gz', template.registry_server);
  return async (making) => {
    const body = await making;
    const began = performance.now();
    const payloadHash = createHash('sha256').update(body).digest('hex');
    const credentials = { accessKey, secretKey };
    const headers = signedHeaders({
      method: 'PUT',
      url,
      payloadHash,
      credentials,
      region: 'us-east-1',
      at: new Date(),
    });
    await exchange({ url, method: 'PUT', headers }, body);
    return began;
  };
}

async function call(port) {
  const url = new URL(`http://127.0.0.1:${port}/runLambda/deployed`);
  return (await exchange({ url, method: 'POST' }, '{}')).toString().trim();
}

function exchange({ url, method, headers = {} }, body) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } });
    asked.once('error', reject);
    asked.once('response', async (response) => {
      const pieces = [];
      for await (const piece of response) pieces.push(piece);
      const text = Buffer.concat(pieces);
      if (response.statusCode === 200) resolve(text);
      else reject(new Error(`${method} ${url} answered ${response.statusCode}: ${text}`));
    });
    asked.end(body);
  });
}

/** What the machine's HTTP and disk take for the same bytes. */
async function floorTimes(temp) {
  const file = join(temp, 'floor');
  const server = createServer(async (asked, answer) => {
    if (asked.method === 'PUT') {
      await pipeline(asked, createWriteStream(file));
      answer.end();
    } else await pipeline(createReadStream(file), answer);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const url = new URL(`http://127.0.0.1:${server.address().port}/`);
  const body = randomBytes(BUNDLE_BYTES);
  const times = { up: [], down: [] };
  for (let at = 0; at < ROUNDS; at += 1) {
    const began = performance.now();
    await exchange({ url, method: 'PUT' }, body);
    const put = performance.now();
    await exchange({ url, method: 'GET' }, '');
    times.up.push(put - began);
    times.down.push(performance.now() - put);
  }
  server.close();
  return times;
}

await main();
