/** What a machine has only one of, and no control group counts: a sandbox may not use it up for the rest. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { inside, useHostileBench } from './hostile-fixture.ts';

const bench = useHostileBench();
let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await bench().probe();
});

/** Runs Python on the host, as whoever runs the worker. */
const onHost = (source: string) => execFileSync('python3', ['-c', source], { encoding: 'utf8' }).trim();

/** Signals that are counted for root, whoever they are for. */
const queuedOfRoot = () => Number(/^SigQ:\t(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);

describe('a sandbox leaves to the machine', () => {
  it('its file watchers, which are counted for the user who made its namespace', async () => {
    const take = 'n = 0\nwhile libc.inotify_init1(0) != -1:\n    n += 1\nr = n';
    const taken = (await inside(sandbox, take)) as number;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThanOrEqual(4);
    expect(onHost('import ctypes\nprint(ctypes.CDLL(None).inotify_init1(0) != -1)')).toBe('True');
    await sandbox.destroy();
  });

  it('those of whoever runs the worker, also when 40 sandboxes take all they can', async () => {
    const most = Number(readFileSync('/proc/sys/fs/inotify/max_user_instances', 'utf8'));
    const take = 'n = 0\nwhile libc.inotify_init1(0) != -1:\n    n += 1\nr = n';
    const many = await Promise.all(Array.from({ length: 40 }, () => bench().probe()));
    const taken = (await Promise.all(many.map((one) => inside(one, take)))) as number[];
    const all = taken.reduce((sum, count) => sum + count, 0);
    // They have used up what they have together, or 4 each where the machine gives more.
    expect(all).toBeGreaterThanOrEqual(Math.min(most - 1, 160));
    // No more than it asks about: others on this machine need some meanwhile.
    const half = Math.floor(most / 2);
    expect(onHost(`import ctypes\nprint(all(ctypes.CDLL(None).inotify_init1(0) != -1 for _ in range(${half})))`)).toBe(
      'True',
    );
    await Promise.all(many.map((one) => one.destroy()));
  });

  it('its watched directories', async () => {
    const take =
      'fd = libc.inotify_init1(0)\nn = 0\nfor n in range(100000):\n    os.mkdir(f"/tmp/{n}") if n < 4000 else os.mkdir(f"/dev/shm/{n}")\n' +
      '    if libc.inotify_add_watch(fd, f"/tmp/{n}".encode() if n < 4000 else f"/dev/shm/{n}".encode(), 2) == -1:\n        break\nr = n';
    const taken = (await inside(sandbox, take)) as number;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThanOrEqual(256);
    await sandbox.destroy();
  });

  it('its queued signals and timers', async () => {
    const queue =
      'signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])\nn = 0\nwhile n < 200000 and libc.sigqueue(os.getpid(), 34, 0) == 0:\n    n += 1\nr = n';
    const before = queuedOfRoot();
    const queued = (await inside(sandbox, queue)) as number;
    expect(queued).toBeGreaterThan(200);
    expect(queued).toBeLessThanOrEqual(256);
    expect(queuedOfRoot() - before).toBeLessThan(100);
    await sandbox.destroy();
  });

  it('its asynchronous requests, a pool of 65,536 for all of it', async () => {
    const setup = 206;
    const before = readFileSync('/proc/sys/fs/aio-nr', 'utf8');
    const ask = `call(${process.arch === 'x64' ? setup : 0}, 60000, bytes(8))`;
    expect(await inside(sandbox, ask)).toBe('EPERM');
    expect(readFileSync('/proc/sys/fs/aio-nr', 'utf8')).toBe(before);
    await sandbox.destroy();
  });

  it('its handler of core dumps: of a pipe the kernel asks for a limit of exactly 1', async () => {
    const core = 'resource.RLIMIT_CORE';
    expect(await inside(sandbox, `resource.getrlimit(${core})`)).toEqual([1, 1]);
    // Programs that switch dumps off are told that it worked.
    expect(await inside(sandbox, `resource.setrlimit(${core}, (0, 0))\nr = resource.getrlimit(${core})`)).toEqual([
      1, 1,
    ]);
    expect(
      await inside(sandbox, 'subprocess.run(["sh", "-c", "ulimit -c 0; ulimit -c"], capture_output=True).returncode'),
    ).toBe(0);
    const old =
      'limit = (ctypes.c_ulong * 2)(0, 0)\nlibc.syscall(160 if os.uname().machine == "x86_64" else 164, 4, limit)\n' +
      'libc.prlimit(0, 4, limit, None)\nr = resource.getrlimit(resource.RLIMIT_CORE)';
    expect(await inside(sandbox, old)).toEqual([1, 1]);
    // Other limits may be lowered as ever.
    expect(
      await inside(
        sandbox,
        'resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))\nr = resource.getrlimit(resource.RLIMIT_NOFILE)',
      ),
    ).toEqual([100, 200]);
    await sandbox.destroy();
  });
});
