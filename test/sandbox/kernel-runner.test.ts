/** What runs the kernels of a sandbox is their one process that must not end, whatever a cell does: all sessions there end with it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from './engine-fixture.ts';
import { follow, printed, run, startOn } from './kernel-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

/** Finds the socket to the runner, as any code can. */
const SOCKET =
  'import os\ncontrol = [int(f) for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.exists("/proc/self/fd/" + f) and "socket" in os.readlink("/proc/self/fd/" + f)][0]\n';
const FORKING =
  'import os, sys, threading, time\nforking = [module for name, module in sys.modules.items() if name.endswith("kernel.forking")][0]\n';
describe('another session of its sandbox goes on when a kernel', () => {
  it('names no process as its checkpoint', async () => {
    const first = await startOn(bench);
    const second = await first.fork('second');
    await printed(first, `${FORKING}forking.fork = lambda: 1 << 80`);
    await expect(first.checkpoint()).rejects.toMatchObject({ code: 'session-missing' });
    expect((await first.ended).reason).toContain('what no kernel says');
    expect(await printed(second, '1 + 1')).toBe('2');
    await second.destroy();
  });

  it('names a thread as its checkpoint', async () => {
    const first = await startOn(bench);
    const second = await first.fork('second');
    const sleeper =
      'import threading, time\nt = threading.Thread(target=time.sleep, args=(600,), daemon=True)\nt.start()';
    const thread = await printed(second, `${sleeper}\nt.native_id`);
    await printed(first, `${FORKING}forking.fork = lambda: ${thread}`);
    await first.checkpoint();
    await expect(first.rewind()).rejects.toMatchObject({ code: 'session-missing' });
    expect(await printed(second, '1 + 1')).toBe('2');
    await second.destroy();
  });

  it('has names that are longer than an answer may be', async () => {
    const first = await startOn(bench);
    const second = await first.fork('second');
    await run(second, 'keys = {"x" * 70_000: 1, "xy": 2}');
    expect((await second.complete({ code: 'keys["', cursor: 6 })).completions).toEqual(['xy']);
    expect(await printed(second, '1 + 1')).toBe('2');
    await second.destroy();
    await first.destroy();
  });

  it('finishes with a status that is none', async () => {
    const first = await startOn(bench);
    const second = await first.fork('second');
    await run(first, `${SOCKET}os.write(control, b'F\\x00{"exit": 1e300, "error": null}')\ninput()`);
    expect((await first.ended).reason).toContain('what no kernel says');
    expect(await printed(second, '1 + 1')).toBe('2');
    await second.destroy();
  });

  it('leaves a deep directory in the place of a fork that fails', async () => {
    const first = await startOn(bench);
    const second = await first.fork('second');
    await run(
      first,
      'import os\ndef deep():\n    os.chdir("/host/work-2")\n    for _ in range(1_500):\n        os.mkdir("d")\n        os.chdir("d")\n    os._exit(0)\nos.register_at_fork(after_in_child=deep)',
    );
    await expect(first.fork('third')).rejects.toMatchObject({ code: 'cannot-fork' });
    expect(await printed(second, 'import os\nos.path.exists("/host/work-2")')).toBe('False');
    await first.destroy();
    await second.destroy();
  });
});

it('a batch ends with the kernel that it runs beside, and none of it begins in the sandbox of others', async () => {
  const first = await startOn(bench);
  const fork = await first.fork('fork');
  const pid = await printed(fork, 'import os\nos.getpid()');
  const [clean, build] = [`kill -9 ${pid}; sleep 600`, 'touch /host/built; sleep 600'];
  await follow(fork, { mode: 'batch', clean, build, exec: 'true' });
  expect((await fork.ended).cause).toBe('signal');
  const files = 'import os, time\ntime.sleep(0.2)\nos.path.exists("/host/built")';
  expect(await printed(first, files)).toBe('False');
  await first.destroy();
});

describe('a kernel goes on when', () => {
  it('somebody waits for no descriptor at a wild place', async () => {
    const kernel = await startOn(bench);
    const exec = `python3 -c 'import ctypes
ctypes.CDLL(None).poll(ctypes.c_void_p(-1), 0, 500)
print(input())'`;
    const { stdout } = await follow(kernel, { mode: 'batch', clean: '', build: '', exec }, { answer: ['line'] });
    expect(stdout).toBe('line\n');
    await kernel.destroy();
  });

  it('a program that has closed its input is told a line', async () => {
    const kernel = await startOn(bench);
    const batch = { mode: 'batch', clean: '', build: '', exec: 'exec 0<&-; echo on; sleep 0.5; echo off' } as const;
    const { stdout } = await follow(kernel, batch, {
      hear: ({ kind }) => {
        if (kind === 'output') kernel.input('x');
      },
    });
    expect(stdout).toBe('on\noff\n');
    await kernel.destroy();
  });

  it('a pipe lies where a file is to be written', async () => {
    const kernel = await startOn(bench);
    await run(kernel, 'import os\nos.mkfifo(".a.1.part")');
    await kernel.files.write('a', Buffer.from('text'));
    expect(await printed(kernel, 'print(open("a").read())')).toBe('text');
    await kernel.destroy();
  });

  it('a batch looks for files below many directories', async () => {
    const kernel = await startOn(bench, { language: 'c', limits: { scratch_mb: 256, memory_mb: 256 } });
    await kernel.files.write('main.c', Buffer.from('#include <stdio.h>\nint main(void) { puts("made"); }'));
    const deep = `python3 -c 'import os
for _ in range(1500): os.mkdir("d"); os.chdir("d")'`;
    await follow(kernel, { mode: 'batch', clean: '', build: '', exec: deep });
    const { stdout, exitCode } = await follow(kernel, { mode: 'batch', clean: '*', build: '*', exec: '*' });
    expect([stdout, exitCode]).toEqual(['made\n', 0]);
    await kernel.destroy();
  });

  it('a program removes what it was made of', async () => {
    const kernel = await startOn(bench, { language: 'perl' });
    const code = 'use File::Path; print "on\\n"; rmtree("/host/.cells");';
    for (let cell = 0; cell < 2; cell++) expect(await run(kernel, code)).toMatchObject({ stdout: 'on\n', exitCode: 0 });
    await kernel.destroy();
  });
});

describe('a Node kernel goes on when a cell', () => {
  it.each([
    [
      'writes nests to where it answers',
      'for (let fd = 200; fd < 220; fd++) { try { require("fs").writeSync(fd, "[".repeat(50_000) + "\\n") } catch {} }',
    ],
    ['displays half a character', 'display({ "application/x-half": "\\ud800" })'],
  ])('%s', async (_what, code) => {
    const kernel = await startOn(bench, { language: 'nodejs', limits: { memory_mb: 128 } });
    expect((await run(kernel, code)).exitCode).toBe(0);
    expect((await run(kernel, '1 + 1')).stdout).toBe('2\n');
    await kernel.destroy();
  });

  it('answers for it with names that are too long to be told', async () => {
    const kernel = await startOn(bench, { language: 'nodejs', limits: { memory_mb: 128 } });
    const line = String.raw`JSON.stringify({ completions: ["\u{1F600}".repeat(8000), "short"], start: 0, end: 1 }) + "\n"`;
    const tell = 'for (let fd = 200; fd < 220; fd++) { try { require("fs").writeSync(fd, line) } catch {} }';
    await run(kernel, `const line = ${line};\nconst timer = setInterval(() => { ${tell} }, 1);`);
    let names: readonly string[] = [];
    while (!names.includes('short')) names = (await kernel.complete({ code: 'x', cursor: 1 })).completions;
    expect(names).toEqual(['short']);
    expect((await run(kernel, 'clearInterval(timer); 1 + 1')).stdout).toBe('2\n');
    await kernel.destroy();
  });
});
