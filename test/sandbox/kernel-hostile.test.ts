import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

/** Finds the socket to the runner, as any code can. */
const SOCKET =
  'import os, signal, sys\ncontrol = [int(f) for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.exists("/proc/self/fd/" + f) and "socket" in os.readlink("/proc/self/fd/" + f)][0]\n';

describe('a kernel ends, with the reason, and its run with 130, when a cell', () => {
  it.each([
    ['ends its process', 'import os\nprint("last")\nos._exit(5)', 'exit', 'status 5'],
    [
      'kills its process',
      'import os, signal\nprint("last")\nos.kill(os.getpid(), signal.SIGKILL)',
      'signal',
      'signal 9',
    ],
    ['follows a wild pointer', 'import ctypes\nprint("last")\nctypes.string_at(8)', 'signal', 'signal 11'],
    ['takes all memory', 'print("last")\nx = bytearray(1 << 30)', 'out-of-memory', 'more memory than it may'],
    [
      'writes garbage to the runner',
      `${SOCKET}print("last")\nos.write(control, b"\\x00\\x00garbage")\ninput()`,
      'signal',
      'what no kernel says',
    ],
    [
      'writes half a message to the runner',
      `${SOCKET}print("last")\nos.write(control, b"d")\ninput()`,
      'signal',
      'what no kernel says',
    ],
    [
      'tells what is no JSON',
      `${SOCKET}print("last")\nos.write(control, b"d\\x00{")\ninput()`,
      'signal',
      'what no kernel says',
    ],
    [
      'tells a display that is none',
      `${SOCKET}print("last")\nos.write(control, b'd\\x00{"bundle": 1}')\ninput()`,
      'signal',
      'what no kernel says',
    ],
    [
      'hangs up',
      'import os, time\nprint("last")\nos.closerange(3, 4096)\ntime.sleep(600)',
      'signal',
      'closed its channel',
    ],
  ])('%s', async (_what, code, cause, reason) => {
    const kernel = await startOn(bench);
    const { exitCode, stdout } = await run(kernel, code);
    expect(exitCode).toBe(130);
    expect(stdout).toBe('last\n');
    expect(await kernel.ended).toMatchObject({ cause, reason: expect.stringContaining(reason) });
    await expect(kernel.complete({ code: 'x', cursor: 1 })).rejects.toMatchObject({ code: 'session-missing' });
    await kernel.destroy();
  });
});

describe('a kernel goes on when a cell', () => {
  it.each([
    ['prints without end of what is told', 'for i in range(200_000):\n    print("x" * 100)', 'cut'],
    [
      'writes past Python without end of what is told',
      'import os\nfor i in range(400):\n    os.write(1, b"y" * 65536)',
      'cut',
    ],
    [
      'replaces and closes the streams',
      'import sys, io\nsys.stdout.close()\nsys.stdout = None\nsys.stderr = io.StringIO()',
      'same',
    ],
    ['closes descriptors 0 to 9', 'import os\nos.closerange(0, 10)', 'same'],
    [
      'makes as many processes as it may',
      'import os, time\nmade = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(600)\n            os._exit(0)\n        made += 1\nexcept OSError: pass\nassert made > 1',
      'same',
    ],
    ['nests without end', 'def f(): f()\nf()', 'same'],
    ['ignores interrupts', 'import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)', 'same'],
    [
      'replaces what the runtime uses',
      'import json, os, linecache, traceback\njson.dumps = json.loads = os.write = os.read = traceback.format_exception = None\nlinecache.cache = None',
      'same',
    ],
    [
      'lets children answer for it',
      'import os\nif os.fork() == 0:\n    print("child", flush=True)\n    os._exit(0)\nos.wait();',
      'same',
    ],
    ['raises an interrupt itself', 'raise KeyboardInterrupt', 'same'],
    ['sends its runner signals', 'import os, signal\nfor n in (2, 9, 15, 17, 19):\n    os.kill(1, n)', 'same'],
  ])('%s', async (_what, code, told) => {
    const kernel = await startOn(bench);
    const { exitCode, cut } = await run(kernel, `kept = 1\n${code}`);
    expect(exitCode).toBe(0);
    expect(cut).toBe(told === 'cut');
    await run(kernel, 'import sys\nsys.stdout = sys.__stdout__');
    expect((await run(kernel, 'display(kept)')).displays).toMatchObject([{ bundle: { 'text/plain': '1' } }]);
    expect((await run(kernel, '1 / 0')).error?.name).toBe('ZeroDivisionError');
    await kernel.destroy();
  });

  it('displays more than it may, which is said in place of it', async () => {
    const kernel = await startOn(bench);
    const code =
      'class Big:\n    def _repr_html_(self): return "<" * 300_000\n    def __repr__(self): return "big"\nfor _ in range(3): display(Big())';
    const { displays } = await run(kernel, code);
    expect(displays).toHaveLength(3);
    expect(displays[0]?.bundle).toEqual({ 'text/plain': 'big' });
    const many = await run(
      kernel,
      'class Medium:\n    def _repr_html_(self): return "<" * 200_000\nfor _ in range(20): display(Medium())',
    );
    expect(many.displays.length).toBeLessThan(20);
    expect(many.stderr).toContain('more than the limit');
    await kernel.destroy();
  });

  it('has one cell of a megabyte, and is told a line of a megabyte', async () => {
    const kernel = await startOn(bench);
    expect((await run(kernel, `len("${'x'.repeat(1 << 20)}")`)).stdout).toBe('1048576\n');
    const { stdout } = await run(kernel, 'len(input())', { answer: ['é'.repeat(1 << 19)] });
    expect(stdout).toBe('524288\n');
    await kernel.destroy();
  });
});

it('a kernel that clears builtins ends alone, and says so, or goes on', async () => {
  const [kernel, other] = [await startOn(bench), await startOn(bench)];
  const { exitCode } = await run(kernel, 'import builtins\nbuiltins.__dict__.clear()');
  expect([0, 130]).toContain(exitCode);
  if (exitCode === 130) expect((await kernel.ended).cause).toBe('exit');
  expect((await run(other, '1 + 1')).stdout).toBe('2\n');
  await kernel.destroy();
  await other.destroy();
});

it('the runner is neither seen into nor changed by its kernels', async () => {
  const kernel = await startOn(bench);
  const code = [
    'import os, ctypes',
    'def attempt(action):',
    '    try: action()',
    '    except OSError as error: return error.errno in (1, 2, 13)',
    '    return "done"',
    'libc = ctypes.CDLL(None, use_errno=True)',
    'def trace():',
    '    if libc.ptrace(16, 1, 0, 0) == -1: raise OSError(ctypes.get_errno(), "x")',
    '[attempt(lambda: open("/proc/1/mem", "r+b")), attempt(lambda: os.listdir("/proc/1/fd")), attempt(trace), attempt(lambda: os.readlink("/proc/1/cwd"))]',
  ].join('\n');
  expect((await run(kernel, code)).stdout).toBe('[True, True, True, True]\n');
  await kernel.destroy();
});
