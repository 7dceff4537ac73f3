import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench();
  kernel = await startOn(bench);
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});

describe('a Python kernel', () => {
  it('keeps its names from cell to cell, and shows the value of the last expression', async () => {
    expect(await run(kernel, 'import math\nx = 40')).toMatchObject({ stdout: '', displays: [], exitCode: 0 });
    const { stdout, displays } = await run(kernel, 'y = x + 2\ny');
    expect(stdout).toBe('42\n');
    expect(displays).toEqual([{ bundle: { 'text/plain': '42' }, execution: true }]);
    expect(await run(kernel, '_ + math.floor(1.5)')).toMatchObject({ stdout: '43\n' });
    expect(await run(kernel, 'x + 1;')).toMatchObject({ stdout: '', displays: [] });
    expect(await run(kernel, 'None')).toMatchObject({ stdout: '', displays: [] });
  });

  it('tells what a cell raised, with its own lines, and goes on', async () => {
    await run(kernel, 'def half(n):\n    return 1 / n');
    const { stderr, exitCode, error } = await run(kernel, 'a = 1\nhalf(\n    0)');
    expect(exitCode).toBe(0);
    expect(error).toMatchObject({ name: 'ZeroDivisionError', message: 'division by zero' });
    const cell = /File "(<cell \d+>)", line 2, in <module>\n {4}half\(/.exec(stderr)?.[1];
    expect(cell).toBeDefined();
    expect(stderr).toMatch(/File "<cell \d+>", line 2, in half\n {4}return 1 \/ n\n/);
    expect(stderr).not.toContain('/runtime/');
    expect(error?.traceback.join('\n')).toBe(stderr.trimEnd());
    expect((await run(kernel, 'a b')).error).toMatchObject({ name: 'SyntaxError' });
    expect((await run(kernel, 'a')).stdout).toBe('1\n');
    const nested = await run(
      kernel,
      'try:\n    {}["k"]\nexcept KeyError as e:\n    raise RuntimeError("outer") from e',
    );
    expect(nested.stderr).toMatch(/KeyError: 'k'\n\nThe above exception was the direct cause/);
    const worse = await run(kernel, 'class Bad(Exception):\n    def __str__(self): raise SystemExit(3)\nraise Bad');
    expect(worse.error).toMatchObject({ name: 'Bad', message: expect.stringContaining('SystemExit') });
  });

  it('outlives sys.exit, and says so', async () => {
    const outcome = await run(kernel, 'import sys\nkept = 1\nsys.exit(3)');
    expect(outcome).toMatchObject({ exitCode: 3, error: { name: 'SystemExit', message: '3' } });
    expect(outcome.stderr).toContain('The session goes on');
    expect((await run(kernel, 'exit()')).exitCode).toBe(0);
    expect((await run(kernel, 'kept')).stdout).toBe('1\n');
  });

  it('awaits at the top level, on one event loop', async () => {
    const first = await run(
      kernel,
      'import asyncio\nq = asyncio.Queue()\nawait q.put(7)\nasync def boom():\n    raise KeyError("a")\nawait asyncio.sleep(0.001, "slept")',
    );
    expect(first).toMatchObject({ stdout: "'slept'\n", exitCode: 0 });
    expect((await run(kernel, 'await q.get()')).stdout).toBe('7\n');
    const raised = await run(kernel, 'await boom()');
    expect(raised.error).toMatchObject({ name: 'KeyError' });
    expect(raised.stderr).not.toContain('asyncio');
    expect((await run(kernel, 'from __future__ import annotations\ndef f(x: nowhere): ...')).error).toBeUndefined();
    expect((await run(kernel, 'def g(x: nowhere): ...\ng.__annotations__')).stdout).toBe("{'x': 'nowhere'}\n");
  });

  it('tells all output in the order in which it was written, whoever wrote it', async () => {
    const code = [
      'import os, subprocess, sys',
      'for i in range(20):',
      '    print(i)',
      '    print(i, "err", file=sys.stderr)',
      '    os.system(f"echo {i} child")',
      '    os.write(2, f"{i} raw\\n".encode())',
      '    print("between", file=sys.stderr)',
      '    subprocess.run(["echo", str(i)], stdout=sys.stdout)',
      '    sys.stdout.buffer.write(b"bytes\\n")',
      '    display(i)',
    ].join('\n');
    const { items, displays } = await run(kernel, code);
    const expected = Array.from({ length: 20 }, (_, i) => [
      ['stdout', `${i}\n`],
      ['stderr', `${i} err\n`],
      ['stdout', `${i} child\n`],
      ['stderr', `${i} raw\nbetween\n`],
      ['stdout', `${i}\nbytes\n${i}\n`],
    ]).flat();
    const merged: [string, string][] = [];
    for (const [kind, data] of items as [string, string][]) {
      const last = merged.at(-1);
      if (last?.[0] === kind) last[1] += data;
      else merged.push([kind, data]);
    }
    const wanted: [string, string][] = [];
    for (const [kind, data] of expected as [string, string][]) {
      const last = wanted.at(-1);
      if (last?.[0] === kind) last[1] += data;
      else wanted.push([kind, data]);
    }
    expect(merged).toEqual(wanted);
    expect(displays).toHaveLength(20);
  });

  it('tells output while the cell still runs', async () => {
    const heard: string[] = [];
    const ran = run(
      kernel,
      'import time\nprint("first", end="", flush=True)\nwhile not stop():\n    time.sleep(0.005)'.replace(
        'stop()',
        '__import__("os").path.exists("go")',
      ),
      {
        hear: (event) => {
          if (event.kind !== 'output') return;
          heard.push(...event.items.map(([, data]) => String(data)));
          kernel.interrupt();
        },
      },
    );
    expect((await ran).error).toMatchObject({ name: 'KeyboardInterrupt' });
    expect(heard[0]).toBe('first');
  });

  it('asks for input, hidden or not, and takes it line by line', async () => {
    const { stdout, events } = await run(
      kernel,
      'import getpass\nname = input("name? ")\nword = getpass.getpass("word? ")\nprint([name, word, __import__("sys").stdin.readline()])',
      { answer: ['Ada', 'secret', 'é'] },
    );
    expect(stdout).toBe("name? word? ['Ada', 'secret', 'é\\n']\n");
    const waits = events.filter((event) => event.kind === 'waiting-input');
    expect(waits.map(({ isPassword }) => isPassword)).toEqual([false, true, false]);
  });

  it('finds the end of input where it is told, and asks anew after it', async () => {
    const code = 'import sys\nprint([line for line in sys.stdin], [sys.stdin.readline()])\ninput()';
    const ended = await run(kernel, code, { answer: ['a', undefined, undefined, undefined] });
    expect(ended).toMatchObject({ stdout: "['a\\n'] ['']\n", error: { name: 'EOFError' } });
    expect(await run(kernel, 'input()', { answer: ['again'] })).toMatchObject({ stdout: "'again'\n" });
    const hidden = await run(kernel, 'import getpass; getpass.getpass()', { answer: [undefined] });
    expect(hidden).toMatchObject({ error: { name: 'EOFError' } });
  });

  it.each([
    ['sleeps', 'print("on", flush=True)\nimport time\ntime.sleep(600)'],
    ['computes', 'print("on")\nwhile True: pass'],
    ['waits for a program', 'print("on")\nimport subprocess\nsubprocess.run(["sleep", "600"])'],
    ['waits for a line', 'print("on")\ninput()'],
    ['awaits', 'import asyncio\nprint("on")\nawait asyncio.sleep(600)'],
  ])('is interrupted while it %s, and keeps its state', async (_what, code) => {
    await run(kernel, 'kept = [1]');
    const { error } = await run(kernel, code, {
      hear: ({ kind }) => {
        if (kind === 'output') kernel.interrupt();
      },
    });
    expect(error?.name).toBe('KeyboardInterrupt');
    kernel.interrupt();
    expect((await run(kernel, 'kept')).stdout).toBe('[1]\n');
  });

  it('is interrupted before it has begun', async () => {
    const fresh = await startOn(bench);
    for (let cell = 0; cell < 10; cell++) {
      const ran = run(fresh, 'import time\nwhile True: time.sleep(0.01)');
      fresh.interrupt();
      expect((await ran).error?.name).toBe('KeyboardInterrupt');
    }
    await fresh.destroy();
  });

  it('completes names, attributes, modules, arguments and keys as they are', async () => {
    await run(
      kernel,
      'import os.path\nalphabet = {"beta": 1, "bell": 2}\ndef func(alpha, *, beta=1): ...\nclass K:\n    attr = 1\n',
    );
    const completed = async (code: string, cursor = code.length) => {
      const { completions, start, end } = await kernel.complete({ code, cursor });
      return [completions, code.slice(start, end)];
    };
    expect(await completed('alph')).toEqual([['alphabet'], 'alph']);
    expect(await completed('x = "é𝒳"; K().at', 12)).toEqual([expect.arrayContaining(['K']), 'K']);
    expect(await completed('K.at')).toEqual([['attr'], 'at']);
    expect(await completed('import os.pa')).toEqual([['path'], 'pa']);
    expect(await completed('import jso')).toEqual([['json'], 'jso']);
    expect(await completed('from json import dum')).toEqual([['dump', 'dumps'], 'dum']);
    expect(await completed('alphabet["be')).toEqual([['bell', 'beta'], 'be']);
    expect((await completed('func(alp'))[0]).toEqual(['alpha=', 'alphabet']);
    expect((await completed('whi'))[0]).toEqual(['while']);
    expect((await completed('os.path.jo'))[0]).toEqual(['join']);
    const ran = run(kernel, 'input()');
    expect((await completed('whi'))[0]).toEqual(['while']);
    // Searched as a whole, it would take the only process that could say so hours.
    expect((await completed(`${'a.'.repeat(1_000_000)}b`))[0]).toEqual([]);
    kernel.input('');
    await ran;
  });

  it('has a home that is its working directory, and sees nothing of lambdas', async () => {
    const code =
      'import os, sys\nopen("a.txt", "w").write("x")\n[os.path.expanduser("~/a.txt"), os.path.samefile("/home/work", "."), os.listdir("/home/work"), [n for n in os.environ if "LAMBDA" in n or "AWS" in n], __name__, os.getpid() != 1]';
    expect((await run(kernel, code)).stdout).toBe("['/home/work/a.txt', True, ['a.txt'], [], '__main__', True]\n");
    await run(kernel, 'open("mod.py", "w").write("value = 5")');
    expect(
      (await run(kernel, 'import mod, pickle\nclass P: pass\ntype(pickle.loads(pickle.dumps(P()))) is P, mod.value'))
        .stdout,
    ).toBe('(True, 5)\n');
  });

  it('shows what objects say of themselves', async () => {
    const code = [
      'class Rich:',
      '    def _repr_html_(self): return "<b>é</b>"',
      '    def _repr_png_(self): return b"\\x89PNG"',
      '    def _repr_svg_(self): return "<svg/>"',
      '    def _repr_json_(self): return {"a": 1}',
      '    def __repr__(self): return "plain"',
      'class Html:',
      '    def _repr_html_(self): return "<i/>"',
      'class Bundle:',
      '    def _repr_mimebundle_(self, include=None, exclude=None): return {"image/png": b"\\x89PNG", "text/plain": "pic"}, {}',
      'class Broken:',
      '    def _repr_html_(self): raise ValueError("no")',
      '    def __repr__(self): raise ValueError("neither")',
      'display(Rich(), Html(), Bundle())',
      'Broken()',
    ].join('\n');
    const { displays, others, stdout, stderr } = await run(kernel, code);
    expect(displays[0]?.bundle).toEqual({
      'text/html': '<b>é</b>',
      'image/png': 'iVBORw==',
      'image/svg+xml': '<svg/>',
      'application/json': '{"a": 1}',
      'text/plain': 'plain',
    });
    expect(others).toEqual([
      ['media', ['image/svg+xml', '<svg/>']],
      ['html', '<i/>'],
      ['media', ['image/png', 'data:image/png;base64,iVBORw==']],
    ]);
    expect(stdout).toBe('<Broken: its repr failed: neither>\n');
    expect(stderr).toContain('Broken._repr_html_ failed: ValueError: no');
    expect(displays.map(({ execution }) => execution)).toEqual([false, false, false, true]);
  });

  it('starts afresh with the same files, whatever runs', async () => {
    const ran = run(kernel, 'open("kept", "w")\nprint("on")\nimport time\ntime.sleep(600)', {
      hear: ({ kind }) => {
        if (kind === 'output') void kernel.restart();
      },
    });
    expect((await ran).exitCode).toBe(130);
    expect((await run(kernel, 'import os\n[os.path.exists("kept"), "x" in globals(), os.getcwd()]')).stdout).toMatch(
      /^\[True, False, /,
    );
  });
});
