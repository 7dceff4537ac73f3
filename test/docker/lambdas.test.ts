/** What lambdas are promised, in containers: the README's examples, and each setting that says how a lambda runs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, runAdmin, succeeded } from '../e2e/admin.ts';
import { makeRoot, otherPythons } from '../e2e/base-root.ts';
import { TestCluster } from '../e2e/cluster.ts';
import { eventually } from '../e2e/eventually.ts';
import { Wheelhouse } from '../fixtures/wheelhouse.ts';
import { docker, inDocker } from './docker-bench.ts';
import { IMAGE } from './dockerd.ts';

/** Installing takes its time on a busy machine. */
const PATIENT_MS = 300_000;
const WHO =
  'import os\ndef handler(event, context):\n    seen = os.path.exists("/host/mark")\n    open("/host/mark", "w").close()\n    return [context.log_stream_name, seen]\n';

function dockerCluster(settings: Record<string, unknown> = {}, env: NodeJS.ProcessEnv = {}, image = IMAGE) {
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    cluster = await TestCluster.start({
      env: cleanEnvironment({ DOCKER_HOST: process.env.DOCKER_HOST, ...env }),
      settings: { sandbox: 'docker', docker: { image }, pool_size: 1, pool_max: 2, ...settings },
    });
  });
  afterAll(async () => {
    await cluster?.dispose();
    expect(inDocker()).toEqual([]);
  });
  return () => cluster as TestCluster;
}

describe('in containers', () => {
  const cluster = dockerCluster({ network_allowed: ['none', 'host'] });

  it('the examples do what they do elsewhere', async () => {
    for (const name of ['hello', 'echo', 'counter', 'fail', 'scratch']) cluster().installExample(name);
    expect((await cluster().call('hello', { name: 'Alice' })).json).toBe('Hello, Alice!');
    expect((await cluster().call('echo', { any: ['thing', 1.5, null] })).json).toEqual({ any: ['thing', 1.5, null] });
    for (const calls of [1, 2, 3]) expect((await cluster().call('counter')).json).toEqual({ calls });
    expect(await cluster().call('fail', { reason: 'none left' })).toMatchObject({
      status: 500,
      json: { errorType: 'OutOfCoffee', errorMessage: 'none left' },
    });
    const written = await cluster().call('scratch', { name: 'note.txt', text: 'seen from outside' });
    expect(written.json.files).toContain('note.txt');
    const [dir] = cluster().instanceDirs('scratch');
    expect(readFileSync(join(dir as string, 'note.txt'), 'utf8')).toBe('seen from outside');
  });

  it('a lambda knows who and where it is', async () => {
    const code =
      'import getpass, os, pwd, socket\ndef handler(event):\n    me = pwd.getpwuid(os.getuid())\n' +
      '    return [getpass.getuser(), me.pw_dir, socket.gethostname(), os.listdir("/packages")]\n';
    cluster().install('who', code);
    expect((await cluster().call('who')).json).toEqual(['sandbox', '/tmp', 'sandbox', []]);
  });

  it('every event has a container of its own with isolation "call"', async () => {
    cluster().install('isolated', { 'lambda_func.py': WHO, 'lambda.json': '{"isolation": "call", "concurrency": 2}' });
    const answers: [string, boolean][] = [];
    for (let event = 0; event < 4; event += 1) answers.push((await cluster().call('isolated', event)).json);
    expect(answers.map(([, seen]) => seen)).toEqual([false, false, false, false]);
    expect(new Set(answers.map(([name]) => name)).size).toBe(4);
  });

  it('handlers in JavaScript run, fail and stream as elsewhere, in the Node of the image', async () => {
    const code = `
import { writeFileSync, existsSync } from 'node:fs';
let calls = 0;
export const handler = async (event, context) => {
  calls += 1;
  if (event.fail) throw new RangeError('boom');
  if (event.eat) { const held = []; for (;;) held.push(new Array(100_000).fill(calls)); }
  if (event.stream) return (async function* () { yield 'one '; yield 'two'; })();
  writeFileSync('/host/mark', 'x');
  return [event, calls, context.functionName, existsSync('/host/mark'), process.cwd(), process.argv.length];
};
`;
    cluster().install('js', { 'lambda_func.mjs': code });
    const told = await cluster().call('js', { n: 1 });
    expect([told.status, told.json]).toEqual([200, [{ n: 1 }, 1, 'js', true, '/handler', 2]]);
    expect((await cluster().call('js', { n: 2 })).json[1]).toBe(2);
    expect(await cluster().call('js', { fail: 1 })).toMatchObject({ status: 500, json: { errorType: 'RangeError' } });
    expect((await cluster().call('js', { stream: 1 })).json.body).toBe('one two');
    expect(await cluster().call('js', { eat: 1 })).toMatchObject({ json: { errorType: 'Runtime.OutOfMemory' } });
    expect((await cluster().call('js', { n: 3 })).json[1]).toBe(1);
  });

  it('secrets come with the next call, and go with it', async () => {
    cluster().install(
      'reader',
      'import os\ndef handler(event):\n    return {n: open("/run/secrets/" + n).read() for n in os.listdir("/run/secrets")}\n',
    );
    const secrets = async (args: string[], input = '') =>
      succeeded(await runAdmin(['secrets', ...args, `--cluster=${cluster().dir}`], { input }), args.join(' '));
    const seen = async () => (await cluster().call('reader')).json;
    await secrets(['set', 'api-key'], 'hunter-one');
    expect(await seen()).toEqual({});
    await secrets(['grant', 'api-key', '--lambda=reader']);
    expect(await seen()).toEqual({ 'api-key': 'hunter-one' });
    await secrets(['revoke', 'api-key', '--lambda=reader']);
    expect(await seen()).toEqual({});
  });

  it("the network is none, the host's where that is allowed, and never one that would be open", async () => {
    const server = createServer((socket) => socket.end('from the host')).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    const { port } = server.address() as { port: number };
    const code = `import socket\ndef handler(event):\n    with socket.create_connection(("127.0.0.1", ${port}), 5) as s:\n        return s.recv(100).decode()\n`;
    try {
      cluster().install('closed', code);
      cluster().install('host', { 'lambda_func.py': code, 'lambda.json': '{"network": "host"}' });
      cluster().install('open', { 'lambda_func.py': code, 'lambda.json': '{"network": "outbound"}' });
      expect((await cluster().call('closed')).json.errorType).toBe('ConnectionRefusedError');
      expect((await cluster().call('host')).json).toBe('from the host');
      expect((await cluster().call('open')).status).toBe(500);
    } finally {
      server.close();
    }
  });
});

describe('in containers that are paused at once', () => {
  const cluster = dockerCluster({ pause_after_ms: 0 });

  it('a lambda goes on where it was', async () => {
    cluster().installExample('counter');
    for (const calls of [1, 2, 3]) {
      expect((await cluster().call('counter')).json).toEqual({ calls });
      await eventually(() =>
        expect(docker('ps', '--filter', 'name=-counter-', '--format', '{{.State}}')).toEqual(['paused']),
      );
    }
    expect((await cluster().admin('status')).stdout).toMatch(/^ {2}counter +\d+ +docker +paused /m);
  });
});

describe('packages', () => {
  const versions = [...otherPythons()];
  const [version, python] = versions.at(-1) ?? [];
  const image = version === undefined ? IMAGE : 'isla-test:other-python';
  const house = new Wheelhouse();
  house.add(
    {
      name: 'asking',
      version: '1.0',
      files: { 'asking/__init__.py': 'import chosen\nVALUE = chosen.VALUE\n', 'asking/data.txt': 'data\n' },
      requires: versions.map(([one]) => `chosen==${one} ; python_version == '${one}'`),
    },
    ...versions.map(([one]) => ({
      name: 'chosen',
      version: one,
      files: { 'chosen.py': `VALUE = "for ${one}"\n` },
      tag: `cp${one.replace('.', '')}-none-any`,
    })),
  );
  beforeAll(() => {
    if (python === undefined) return;
    const root = mkdtempSync(join(tmpdir(), 'isla-image-'));
    makeRoot(root, python);
    execFileSync('sh', ['-c', 'tar -C "$1" -c . | docker import - "$2"', 'sh', root, image], { stdio: 'pipe' });
    rmSync(root, { recursive: true });
  });
  afterAll(() => {
    house.dispose();
    if (python !== undefined) docker('rmi', image);
  });
  const cluster = dockerCluster({ packages_wait_ms: PATIENT_MS }, house.environment(), image);

  it.skipIf(python === undefined)(
    "are chosen for the image's Python (skipped where this machine has one Python only)",
    async () => {
      const code =
        'import asking, os, sys\ndef handler(event):\n    data = os.path.join(os.path.dirname(asking.__file__), "data.txt")\n' +
        '    return ["%d.%d" % sys.version_info[:2], asking.VALUE, open(data).read(), "asking" in os.listdir("/packages"), sys.path[-1]]\n';
      cluster().install('a', { 'lambda_func.py': code, 'requirements.txt': 'asking' });
      cluster().install('none', 'import asking\n');
      expect((await cluster().call('a')).json).toEqual([version, `for ${version}`, 'data\n', true, '/packages']);
      expect((await cluster().call('none')).json.errorType).toBe('Runtime.ImportModuleError');
      // That image has no Node.
      cluster().install('js', { 'lambda_func.mjs': 'export const handler = () => 1;\n' });
      expect(await cluster().call('js')).toMatchObject({
        status: 500,
        json: { errorType: 'Sandbox.Failed', errorMessage: expect.stringMatching(/has no Node, .*`admin setconf`/) },
      });
      const listed = await cluster().admin('packages', 'list');
      expect([listed.status, listed.stdout]).toEqual([0, expect.stringMatching(/^asking +1\.0/m)]);
    },
    PATIENT_MS,
  );
});

describe.skipIf(!hasIndex())('packages of the index (skipped where pip of this user finds none)', () => {
  const cluster = dockerCluster({ packages_wait_ms: PATIENT_MS, limits: { memory_mb: 512 } }, { PIP_RETRIES: '0' });

  it(
    'numpy computes, and `admin packages install` needs no worker',
    async () => {
      const code =
        'import numpy\ndef handler(event):\n    return [int(numpy.arange(event).sum()), numpy.__file__.split("/")[1]]\n';
      cluster().install('sum', { 'lambda_func.py': code, 'requirements.txt': 'numpy' });
      succeeded(await cluster().admin('kill'), 'kill');
      const installed = await runAdmin(['packages', `--cluster=${cluster().dir}`, 'install'], {
        env: cleanEnvironment({ DOCKER_HOST: process.env.DOCKER_HOST, PIP_RETRIES: '0' }),
        timeoutMs: PATIENT_MS,
      });
      succeeded(installed, 'packages install');
      expect(inDocker()).toEqual([]);
      await cluster().startWorkers();
      expect((await cluster().call('sum', 10)).json).toEqual([45, 'packages']);
    },
    PATIENT_MS,
  );
});

function hasIndex(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'isla-index-'));
  const words = ['download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', dir, 'requests'];
  try {
    execFileSync('/usr/bin/python3', ['-I', '-m', 'pip', ...words], {
      env: cleanEnvironment({ PIP_RETRIES: '0' }),
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
