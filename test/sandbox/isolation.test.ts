/** What code sees and can do inside a sandbox, looked at from the inside. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Bench, PROBE, resultOf, startBench } from './engine-fixture.ts';

let bench: Bench;
let sandbox: Sandbox;
beforeAll(async () => {
  bench = await startBench();
  sandbox = await bench.sandbox(PROBE);
});
afterAll(() => bench.close());

const inside = (source: string, of = sandbox) => resultOf(of, source);
const DENIED = /^(PermissionError: (1|13)|OSError: (30|18)|FileNotFoundError: 2)$/;

describe('inside a sandbox', () => {
  it('code holds no capability, cannot gain any, and is under both filters', async () => {
    const status = (await inside('r = open("/proc/self/status").read()')) as string;
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1];
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) expect(field(set)).toMatch(/^0+$/);
    expect(field('NoNewPrivs')).toBe('1');
    expect(field('Seccomp')).toBe('2');
    expect(field('Seccomp_filters') ?? '2').toBe('2');
    expect(field('Groups')?.trim()).toBe('');
    expect(field('Uid')?.split('\t')).toHaveLength(4);
    expect(field('Uid')).not.toMatch(/\b0\b/);
  });

  it('code has three standard descriptors and its channel, and nothing else', async () => {
    const links = await inside(
      'import os\nat = "/proc/self/fd/"\nr = {n: os.readlink(at + n) for n in sorted(os.listdir(at)) if os.path.islink(at + n)}',
    );
    expect(Object.keys(links as object)).toEqual(['0', '1', '2', '3']);
    expect((links as Record<string, string>)['0']).toBe('/dev/null');
    expect((links as Record<string, string>)['3']).toMatch(/^socket:/);
  });

  it('the environment is made from scratch', async () => {
    process.env.ISLA_TEST_SECRET = 'do not tell';
    const fresh = await startBench({ poolSize: 1 });
    try {
      const environment = await inside('import os\nr = dict(os.environ)', await fresh.sandbox(PROBE));
      expect(JSON.stringify(environment)).not.toContain('do not tell');
      const raw = await inside('r = open("/proc/self/environ").read()', await fresh.sandbox(PROBE));
      expect(raw).not.toContain('do not tell');
    } finally {
      await fresh.close();
      delete process.env.ISLA_TEST_SECRET;
    }
  });

  it('every mount is nosuid, and all but /proc, /tmp, /dev/shm and /host are read-only', async () => {
    const lines = ((await inside('r = open("/proc/self/mountinfo").read()')) as string).trim().split('\n');
    const mounts = lines.map((line) => ({
      point: line.split(' ')[4] as string,
      options: (line.split(' ')[5] as string).split(','),
    }));
    expect(mounts.filter(({ options }) => !options.includes('nosuid'))).toEqual([]);
    const writable = mounts.filter(({ options }) => !options.includes('ro')).map(({ point }) => point);
    const meant = ['/proc', '/tmp', '/host', '/dev/shm'];
    expect([...new Set(writable)].sort()).toEqual(meant.sort());
    expect(mounts.map(({ point }) => point)).toEqual(
      expect.arrayContaining(['/proc/interrupts', '/proc/sys', '/handler']),
    );
  });

  it.each(['/root', '/home/work', '/sys', '/boot', '/mnt', '/srv', '/etc/shadow', '/var/lib', '/run/docker.sock'])(
    'there is no %s',
    async (path) => {
      expect(await inside(`import os\nr = os.path.exists(${JSON.stringify(path)})`)).toBe(false);
    },
  );

  it('/home is nobody’s: there is a link in it that is of use in sessions only', async () => {
    expect(await inside('import os\nr = [os.listdir("/home"), os.readlink("/home/work")]')).toEqual([
      ['work'],
      '/host/work',
    ]);
  });

  it.each([
    '/usr/x',
    '/etc/x',
    '/handler/x',
    '/packages/x',
    '/runtime/x',
    '/x',
    '/dev/x',
    '/run/x',
    '/proc/sys/kernel/hostname',
  ])('nothing can be written to %s', async (path) => {
    expect(await inside(`open(${JSON.stringify(path)}, "w").write("x")`)).toMatch(DENIED);
  });

  it.each(['/proc/kcore', '/proc/keys', '/proc/interrupts', '/proc/timer_list'])('%s says nothing', async (path) => {
    expect(
      await inside(
        `import os\nr = open(${JSON.stringify(path)}, "rb").read(64).hex() if os.path.exists(${JSON.stringify(path)}) else ""`,
      ),
    ).toBe('');
  });

  it('only its own processes are there to be seen or signalled', async () => {
    const other = await bench.sandbox('import time\ndef handler(e):\n    return 1\n');
    await resultOf(other);
    expect(await inside('import os\nr = [int(n) for n in os.listdir("/proc") if n.isdigit()]')).toEqual([1]);
    expect(
      await inside(
        'import os\nfor pid in range(2, 40000):\n    try:\n        os.kill(pid, 9)\n        r = pid\n    except ProcessLookupError:\n        pass',
      ),
    ).toBeNull();
    expect(await resultOf(other)).toBe(1);
  });

  it('the loopback is its own, and nothing of the host can be reached', async () => {
    const server = createServer((socket) => socket.end('host'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = (server.address() as { port: number }).port;
    expect(await inside(`import socket\nsocket.create_connection(("127.0.0.1", ${port}), 2)`)).toBe(
      'ConnectionRefusedError: 111',
    );
    expect(await inside('import socket\nsocket.create_connection(("169.254.169.254", 80), 2)')).toBe('OSError: 101');
    expect(await inside('import socket\nsocket.create_connection(("10.0.0.1", 80), 2)')).toBe('OSError: 101');
    const echo =
      'import socket\ns = socket.socket()\ns.bind(("127.0.0.1", 0))\ns.listen()\nc = socket.create_connection(s.getsockname())\nr = "own"';
    expect(await inside(echo)).toBe('own');
    server.close();
  });

  it('devices can not be made, and files of the host can not be reached through any of its own', async () => {
    expect(await inside('import os, stat\nos.mknod("/host/disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))')).toMatch(
      DENIED,
    );
    writeFileSync(join(bench.dir, 'secret'), 'of the worker', { mode: 0o644 });
    for (const path of [
      '/host/../../secret',
      '/proc/1/root/../secret',
      '/proc/self/cwd/../../secret',
      join(bench.dir, 'secret'),
    ]) {
      expect(await inside(`r = open(${JSON.stringify(path)}).read()`)).toMatch(DENIED);
    }
    const viaLink = `import os\nos.symlink(${JSON.stringify(join(bench.dir, 'secret'))}, "/host/link")\nr = open("/host/link").read()`;
    expect(await inside(viaLink)).toMatch(DENIED);
  });

  it('its size limits hold: /tmp is full at its limit, processes end at theirs', async () => {
    expect(await inside('f = open("/tmp/fill", "wb")\nwhile True:\n    f.write(bytes(1 << 20))\n    f.flush()')).toBe(
      'OSError: 28',
    );
    await inside('import os\nos.unlink("/tmp/fill")');
    const fork =
      'import os, signal\npids = []\ntry:\n    while True:\n        pid = os.fork()\n        if pid == 0:\n            signal.pause()\n        pids.append(pid)\nexcept OSError as e:\n    r = [e.errno, len(pids) < 40]\nfor pid in pids:\n    os.kill(pid, 9)\n    os.waitpid(pid, 0)';
    expect(await inside(fork)).toEqual([11, true]);
  });
});

describe('what people use works inside', () => {
  it.each([
    [
      'threads',
      'import threading\nt = threading.Thread(target=lambda: globals().__setitem__("x", 1))\nt.start()\nt.join()\nr = "ok"',
    ],
    [
      'subprocesses',
      'import subprocess\nr = subprocess.run(["/bin/sh", "-c", "echo ok"], capture_output=True, text=True).stdout.strip()',
    ],
    [
      'multiprocessing',
      'import multiprocessing\nwith multiprocessing.Pool(2) as pool:\n    r = "ok" if pool.map(abs, [-1, 2]) == [1, 2] else "no"',
    ],
    [
      'shared memory',
      'from multiprocessing import shared_memory\nm = shared_memory.SharedMemory(create=True, size=64)\nm.close()\nm.unlink()\nr = "ok"',
    ],
    [
      'sqlite3 with a write-ahead log',
      'import sqlite3\nc = sqlite3.connect("/host/t.db")\nc.execute("pragma journal_mode=wal")\nc.execute("create table t (x)")\nc.commit()\nr = "ok"',
    ],
    ['ssl', 'import ssl\nr = "ok" if ssl.create_default_context().cert_store_stats()["x509_ca"] > 10 else "no CAs"'],
    ['asyncio', 'import asyncio\nr = asyncio.run(asyncio.sleep(0, "ok"))'],
    ['temporary files', 'import tempfile\nwith tempfile.NamedTemporaryFile() as f:\n    f.write(b"x")\nr = "ok"'],
    [
      'renames between directories',
      'import os\nos.makedirs("/host/a")\nos.makedirs("/host/b")\nopen("/host/a/f", "w")\nos.rename("/host/a/f", "/host/b/f")\nr = "ok"',
    ],
    ['printing to /dev/stdout', 'open("/dev/stdout", "a").write("x")\nr = "ok"'],
    [
      'users and hosts by name',
      'import getpass, socket\ngetpass.getuser()\nr = "ok" if socket.gethostbyname("localhost") == "127.0.0.1" else "no"',
    ],
    [
      'time zones and locales',
      'import time, locale\nlocale.setlocale(locale.LC_ALL, "C.UTF-8")\nr = "ok" if time.tzname else "no"',
    ],
  ])('%s', async (_what, source) => {
    const own = await bench.sandbox(PROBE);
    expect(await inside(source, own)).toBe('ok');
    await own.destroy();
  });
});
