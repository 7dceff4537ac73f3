import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { printed, run, startOn } from './kernel-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

describe('a fork of a Python kernel', () => {
  it('has the same state, and goes its own way from there', async () => {
    const first = await startOn(bench);
    await run(
      first,
      'import os, random\nx = [1]\nopen("a.txt", "w").write("one")\nlog = open("log", "a")\nlog.write("first,")\nlog.flush()',
    );
    const second = await first.fork('second');
    expect(await printed(second, 'x.append(2)\nx')).toBe('[1, 2]');
    expect(await printed(first, 'x.append(3)\nx')).toBe('[1, 3]');
    // Of one's own: the directory, open files in it, and what comes by chance.
    await run(second, 'open("a.txt", "w").write("two")\nlog.write("second")\nlog.flush()');
    expect(await printed(first, 'open("a.txt").read(), open("log").read()')).toBe("('one', 'first,')");
    expect(await printed(second, 'open("a.txt").read(), open("log").read()')).toBe("('two', 'first,second')");
    expect(await printed(second, 'os.path.samefile(os.environ["HOME"], "."), os.environ["ISLA_SESSION"]')).toBe(
      "(True, 'second')",
    );
    expect(await printed(first, 'random.random()')).not.toBe(await printed(second, 'random.random()'));
    // The end of the one is not that of the other.
    await first.destroy();
    expect((await first.ended).cause).toBe('destroyed');
    expect(await printed(second, 'x')).toBe('[1, 2]');
    const third = await second.fork('third');
    expect((await run(second, 'os._exit(7)')).exitCode).toBe(130);
    expect(await second.ended).toMatchObject({ cause: 'exit', reason: expect.stringContaining('status 7') });
    expect(await printed(third, 'x')).toBe('[1, 2]');
    await third.destroy();
  });

  it.each([
    [
      'threads',
      'import threading, time\nt = threading.Thread(target=time.sleep, args=(600,), daemon=True, name="sleeper")\nt.start()',
      'thread (sleeper)',
    ],
    ['open sockets', 'import socket\ns = socket.socket()', 'is a socket'],
    [
      'tasks under way',
      'import asyncio\nt = asyncio.ensure_future(asyncio.sleep(600))\nawait asyncio.sleep(0)',
      'event loop',
    ],
    ['a program that runs', 'import subprocess\np = subprocess.Popen(["sleep", "600"])', 'has started a process'],
  ])('is refused to one with %s, which goes on', async (_what, code, reason) => {
    const kernel = await startOn(bench);
    await run(kernel, code);
    await expect(kernel.fork('x')).rejects.toMatchObject({
      code: 'cannot-fork',
      message: expect.stringContaining(reason),
    });
    await expect(kernel.checkpoint()).rejects.toMatchObject({ code: 'cannot-fork' });
    expect(await printed(kernel, '1 + 1')).toBe('2');
    expect(await printed(kernel, 'import os\nos.listdir("/host/")')).not.toContain('work-1');
    await kernel.destroy();
  });

  it('leaves one kernel behind, whatever a cell has registered for forks', async () => {
    const kernel = await startOn(bench);
    const hooks = 'os.register_at_fork(after_in_child=os.setsid, after_in_parent=lambda: time.sleep(0.2))';
    const pid = await printed(kernel, `import os, time\n${hooks}\nos.getpid()`);
    const fork = await kernel.fork('x');
    expect(await printed(kernel, 'os.getpid()')).toBe(pid);
    expect(await printed(fork, '1')).toBe('1');
    await fork.destroy();
    await kernel.destroy();
  });

  it('is refused while a cell runs, and without room for its directory', async () => {
    const kernel = await startOn(bench);
    let refused: Promise<Kernel> | undefined;
    await run(kernel, 'input()', {
      hear: ({ kind }) => {
        if (kind !== 'waiting-input') return;
        refused = kernel.fork('x');
        refused.catch(() => kernel.input(''));
      },
    });
    await expect(refused).rejects.toMatchObject({
      code: 'cannot-fork',
      message: expect.stringContaining('a cell runs'),
    });
    await run(kernel, 'open("big", "wb").write(bytes(40 << 20))');
    await expect(kernel.fork('x')).rejects.toMatchObject({ message: expect.stringContaining('No space left') });
    await run(kernel, 'import os\nos.unlink("big")');
    await (await kernel.fork('x')).destroy();
    expect(await printed(kernel, 'import asyncio\nawait asyncio.sleep(0, 5)')).toBe('5');
    await (await kernel.fork('y')).destroy();
    await kernel.destroy();
  });
});

describe('a Python kernel that is kept', () => {
  it('goes back to its checkpoint, files aside', async () => {
    const kernel = await startOn(bench);
    await expect(kernel.rewind()).rejects.toMatchObject({ code: 'cannot-fork' });
    await run(kernel, 'import random\nx = 1\nrandom.seed(7)');
    await kernel.checkpoint();
    const drawn = await printed(kernel, 'x = 2\nopen("a", "w")\nrandom.random()');
    await kernel.rewind();
    expect(await printed(kernel, 'import os\nx, os.path.exists("a")')).toBe('(1, True)');
    expect(await printed(kernel, 'random.random()')).toBe(drawn);
    // Once.
    await expect(kernel.rewind()).rejects.toMatchObject({ code: 'cannot-fork' });
    await kernel.destroy();
  });

  it('goes back to before its last cell, also out of one that does not end', async () => {
    const kernel = await startOn(bench, { rewindable: true });
    await run(kernel, 'x = 1');
    await run(kernel, 'x = 2');
    await kernel.rewind();
    expect(await printed(kernel, 'x')).toBe('1');
    await run(kernel, 'x = 5');
    const endless = run(kernel, 'x = 6\nprint("on")\nwhile True: pass', {
      hear: ({ kind }) => {
        if (kind === 'output') void kernel.rewind();
      },
    });
    expect((await endless).exitCode).toBe(130);
    expect(await printed(kernel, 'x')).toBe('5');
    await kernel.restart();
    expect(await printed(kernel, '"x" in globals()')).toBe('False');
    await kernel.destroy();
  });

  it('goes back to one that has not run since it was made', async () => {
    const kernel = await startOn(bench, { rewindable: true });
    await run(kernel, 'import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(0.3))');
    let back: Promise<void> | undefined;
    const endless = run(kernel, 'y = 1\nprint("on")\nwhile True: pass', {
      hear: ({ kind }) => {
        if (kind === 'output') back = kernel.rewind();
      },
    });
    expect((await endless).exitCode).toBe(130);
    await back;
    expect(await printed(kernel, '"y" in globals()')).toBe('False');
    await kernel.destroy();
  });

  it('goes back once, however often it is told to, and not when a restart comes first', async () => {
    const kernel = await startOn(bench, { rewindable: true });
    await run(kernel, 'x = 1');
    const told = await Promise.allSettled([kernel.rewind(), kernel.rewind(), kernel.rewind()]);
    expect(told.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await printed(kernel, '"x" in globals()')).toBe('False');
    const back = kernel.rewind();
    await Promise.all([kernel.restart(), back.catch(() => {})]);
    expect(await printed(kernel, '1')).toBe('1');
    await kernel.destroy();
  });

  it('refuses to be kept or forked until it has gone back', async () => {
    const kernel = await startOn(bench);
    await run(kernel, 'import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep(0.5))');
    await kernel.checkpoint();
    let isBack = false;
    const back = kernel.rewind().then(() => {
      isBack = true;
    });
    while (!isBack) {
      const refusals = await Promise.allSettled([kernel.checkpoint(), kernel.fork('x')]);
      if (!isBack) expect(refusals.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    }
    await back;
    expect(await printed(kernel, '1')).toBe('1');
    await kernel.destroy();
  });

  it('ends, and no fork of it does, when what it would go back to has been ended by a cell', async () => {
    const kernel = await startOn(bench, { rewindable: true });
    const fork = await kernel.fork('fork');
    const spared = await printed(fork, 'import os\nos.getpid()');
    await run(
      kernel,
      `import os, signal
for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
    if pid not in (1, ${spared}, os.getpid()):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass`,
    );
    await expect(kernel.rewind()).rejects.toMatchObject({ code: 'session-missing' });
    expect((await kernel.ended).cause).not.toBe('destroyed');
    expect(await printed(fork, '1')).toBe('1');
    await fork.destroy();
  });
});
