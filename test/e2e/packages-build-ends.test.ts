/** Builds that do not end by themselves, that many ask for, and that have a network. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { addSource } from '../fixtures/sources.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { ADMIN, cleanEnvironment, run } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { withCluster } from './use-cluster.ts';

const house = new Wheelhouse();
addSource(house, { name: 'quick' });
addSource(house, { name: 'endless', body: 'import time\nprint("working", flush=True)\ntime.sleep(100_000)' });
/** On the command line of no other process of this machine. */
const LEFT = `time.sleep(100_000 + ${process.pid})`;
addSource(house, {
  name: 'leaving',
  body: `import subprocess, sys\nsubprocess.Popen([sys.executable, "-c", "import time; ${LEFT}"])\nVALUE = 1`,
});
afterAll(() => house.dispose());

const env = house.environment();
const settings = { packages_wait_ms: 120_000, packages_build: 'offline', log_level: 'debug' };

/** A build takes its time on a busy machine. */
const PATIENT_MS = 150_000;
vi.setConfig({ testTimeout: 2 * PATIENT_MS });

function call(cluster: TestCluster, name: string, worker = 0) {
  return cluster.post(`/runLambda/${name}`, '{}', { signal: AbortSignal.timeout(PATIENT_MS) }, worker);
}

function lambda(module: string, list = module): Record<string, string> {
  const code = `import ${module}\ndef handler(event):\n    return ${module}.VALUE\n`;
  return { 'lambda_func.py': code, 'requirements.txt': list };
}

function seen(cluster: TestCluster): { wheels: number; drafts: string[] } {
  const packages = join(cluster.dir, 'packages');
  const key = readdirSync(packages).find((name) => name.startsWith('cpython'));
  const wheels = key === undefined ? [] : readdirSync(join(packages, key, 'wheels'));
  return { wheels: wheels.length, drafts: readdirSync(join(packages, 'tmp')) };
}

async function building(cluster: TestCluster): Promise<void> {
  await eventually(() => expect(cluster.log()).toContain('"text":"working'), 60_000);
}

test('a build that does not end is ended, and what it printed is in the log', async () => {
  const limits = { timeout_ms: 5_000 };
  await withCluster({ env, settings: { ...settings, limits, limits_max: limits } }, async (cluster) => {
    cluster.install('endless', lambda('endless'));
    const answer = await call(cluster, 'endless');
    expect([answer.status, answer.json.errorType]).toEqual([500, 'Packages.Failed']);
    expect(answer.json.errorMessage).toMatch(
      /endless-1\.0\.tar\.gz cannot be built: it took longer than 5 s to build it; it printed: working$/,
    );
    expect(cluster.log()).toContain('"source":"endless-1.0.tar.gz","text":"working');
    expect(seen(cluster)).toEqual({ wheels: 0, drafts: [] });
  });
});

test('a process that a build leaves behind goes with it', async () => {
  await withCluster({ env, settings }, async (cluster) => {
    cluster.install('leaving', lambda('leaving'));
    expect((await call(cluster, 'leaving')).json).toBe(1);
    const left = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    expect(left).not.toContain(LEFT);
  });
});

test('a worker that is killed while it builds takes the build with it, and the next begins anew', async () => {
  await withCluster({ env, settings }, async (cluster) => {
    cluster.install('a', lambda('endless'));
    const waiting = call(cluster, 'a').catch(() => 'connection lost');
    await building(cluster);
    process.kill(cluster.workerPid(), 'SIGKILL');
    expect(await waiting).toBe('connection lost');
    await cluster.gone(5_000);
    expect(house.left()).toEqual([]);
    expect(seen(cluster)).toEqual({ wheels: 0, drafts: [expect.any(String)] });
    await cluster.startWorkers();
    cluster.install('a', lambda('quick'));
    expect((await call(cluster, 'a')).json).toBe(1);
    expect(seen(cluster)).toEqual({ wheels: 1, drafts: [] });
  });
});

test('a worker that stops ends the build, and tells who waits for it', async () => {
  await withCluster({ env, settings: { ...settings, grace_ms: 100 } }, async (cluster) => {
    cluster.install('a', lambda('endless'));
    const waiting = call(cluster, 'a');
    await building(cluster);
    expect((await cluster.admin('kill')).status).toBe(0);
    expect(await waiting).toMatchObject({ status: 503, json: { errorType: 'Worker.Stopping' } });
    expect(house.left()).toEqual([]);
    expect(seen(cluster)).toEqual({ wheels: 0, drafts: [] });
  });
});

test('twelve who ask four workers at the same moment have it built once', async () => {
  await withCluster({ env, settings, workers: 4 }, async (cluster) => {
    for (const name of ['a', 'b', 'c']) cluster.install(name, lambda('quick'));
    const calls = [0, 1, 2, 3].flatMap((worker) => ['a', 'b', 'c'].map((name) => call(cluster, name, worker)));
    for (const answer of await Promise.all(calls)) expect(answer.json, answer.text).toBe(1);
    const log = [0, 1, 2, 3].map((worker) => cluster.log(worker)).join('');
    expect(log.split('"progress":"building quick').length - 1).toBe(1);
    expect(seen(cluster)).toEqual({ wheels: 1, drafts: [] });
  });
});

/** Why no sandbox of this machine can have the network, if none can. */
const { checks } = JSON.parse(
  execFileSync(ADMIN, ['doctor', '--json'], { encoding: 'utf8', env: cleanEnvironment({}) }),
) as { checks: { name: string; state: string }[] };
const hasOutbound = checks.some(({ name, state }) => name === 'network "outbound"' && state === 'ok');

describe.skipIf(!hasOutbound)('with network (skipped where sandboxes can not have one)', () => {
  test('a build has it, and does not reach this machine', async () => {
    const server = createServer((socket) => socket.end('reached'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    addSource(house, {
      name: 'reaching',
      body: `import socket
VALUE = [len(socket.if_nameindex())]
try:
    VALUE.append(socket.create_connection(("127.0.0.1", ${port}), 5).recv(9).decode())
except OSError:
    pass
`,
    });
    try {
      await withCluster({ env, settings: { ...settings, packages_build: 'outbound' } }, async (cluster) => {
        cluster.install('reaching', lambda('reaching'));
        expect((await call(cluster, 'reaching')).json).toEqual([2]);
        cluster.install('asking', { ...lambda('quick'), 'lambda.json': '{"network": "outbound"}' });
        expect((await call(cluster, 'asking')).json.errorMessage).toContain('network: "outbound" is not allowed here');
      });
    } finally {
      server.close();
    }
  });

  // Without pasta is a mount namespace of the command's own, in which it cannot be executed.
  test.skipIf(process.getuid?.() !== 0)('where it can not be had, what to install is said', async () => {
    const hidden = { env, settings: { ...settings, packages_build: 'outbound' }, running: false };
    await withCluster(hidden, async (cluster) => {
      cluster.install('quick', lambda('quick'));
      const without = 'mount --bind /dev/null "$(command -v pasta)" && exec "$@"';
      const command = [ADMIN, 'packages', 'install', `--cluster=${cluster.dir}`];
      const { status, stderr } = await run('unshare', ['--mount', 'sh', '-c', without, 'sh', ...command], { env });
      expect([status, stderr]).toEqual([
        expect.any(Number),
        expect.stringMatching(
          /quick-1\.0\.tar\.gz cannot be built: .*pasta is not installed: apt-get install -y passt/,
        ),
      ]);
      expect(status).not.toBe(0);
    });
  });
});

const EXTENSION = `#include <Python.h>
static PyObject *value(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"value", value, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "quickc", "", -1, methods};
PyMODINIT_FUNC PyInit_quickc(void) { return PyModule_Create(&module); }
`;

/** Whether pip, as this user has configured it, knows of setuptools, and this machine compiles for its own Python. */
function canCompile(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'isla-index-'));
  try {
    const words = ['-I', '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', dir];
    execFileSync('/usr/bin/python3', [...words, 'setuptools'], { env: indexEnv, stdio: 'ignore' });
    const include = 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")';
    execFileSync('/usr/bin/python3', ['-c', include], { stdio: 'ignore' });
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const indexEnv = cleanEnvironment({ PIP_RETRIES: '0' });

describe.skipIf(!canCompile())('with the setuptools of the index (skipped where there is none, or no compiler)', () => {
  test('a setup.py with an extension module is built as ever', async () => {
    house.addSource('quickc', '1.0', {
      'setup.py':
        'from setuptools import Extension, setup\nsetup(name="quickc", version="1.0", ext_modules=[Extension("quickc", ["quickc.c"])])\n',
      'quickc.c': EXTENSION,
    });
    const env = { ...indexEnv, PIP_FIND_LINKS: `${indexEnv.PIP_FIND_LINKS ?? ''} ${house.dir}`, TMPDIR: house.tmp };
    await withCluster({ env, settings: { ...settings, packages_wait_ms: 300_000 } }, async (cluster) => {
      const code = 'import quickc\ndef handler(event):\n    return quickc.value()\n';
      cluster.install('c', { 'lambda_func.py': code, 'requirements.txt': 'quickc' });
      const answer = await cluster.post('/runLambda/c', '{}', { signal: AbortSignal.timeout(300_000) });
      expect(answer.json, answer.text).toBe(42);
    });
  });
});
