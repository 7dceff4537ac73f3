/** What a sandbox prints, and to whom it is told as whose. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Output, Reply, Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Asked, LIMITS, newestScratch } from './engine-fixture.ts';
import { PROBE, useHostileBench } from './hostile-fixture.ts';
import { joined } from './printed.ts';

const bench = useHostileBench();
const KIB = 1024;

interface Heard {
  sandbox: Sandbox;
  told: Output[];
  /** What was told so far, as `request stream text`, pieces of a call that took long together; forgets it. */
  heard(): string[];
  call(requestId: string, event: unknown): Promise<Reply>;
}

async function listenTo(source: string, asked: Asked = {}): Promise<Heard> {
  const told: Output[] = [];
  const sandbox = await bench().sandbox(source, 'talker', { ...asked, onOutput: (output) => told.push(output) });
  return {
    sandbox,
    told,
    heard: () => joined(told.splice(0)).map(({ requestId, stream, bytes }) => `${requestId} ${stream} ${bytes}`),
    call: (requestId, event) =>
      sandbox.call({
        requestId,
        event: Buffer.from(JSON.stringify(event)),
        deadlineMs: Date.now() + LIMITS.timeout_ms,
      }),
  };
}

const scratch = () => newestScratch(bench(), 'talker');

const probe = (asked?: Asked) => listenTo(PROBE, asked);

describe('what a call prints is told as its own, before its reply:', () => {
  it.each([
    ['by print', 'print("x")', ['a stdout x\n']],
    ['without an end of line', 'print("x", end="")', ['a stdout x']],
    ['on both streams', 'print("x"), print("y", file=sys.stderr)', ['a stdout x\n', 'a stderr y\n']],
    ['by a program', 'subprocess.run(["/bin/echo", "x"]).returncode', ['a stdout x\n']],
    [
      'by a shell that empties the file first',
      'subprocess.run("echo x > /dev/stdout", shell=True).returncode',
      ['a stdout x\n'],
    ],
    ['to a descriptor', 'os.write(2, b"x")', ['a stderr x']],
    ['by the C library', 'libc.puts(b"x"), libc.fflush(None)', ['a stdout x\n']],
    ['as bytes that are no text', 'os.write(1, b"\\xff\\x00\\x1b[2J")', ['a stdout \ufffd\0\x1b[2J']],
    ['nothing', '1', []],
    ['nothing, with its streams closed', 'os.close(1), os.close(2)', []],
    ['nothing, into a pipe in the place of its stream', 'os.dup2(os.pipe()[1], 1), print("x")', []],
    ['as a file of a terabyte', 'os.ftruncate(1, 1 << 40)', [`a stdout ${'\0'.repeat(LIMITS.output_kb * KIB)}`]],
  ])('%s', async (_how, source, told) => {
    const { sandbox, call, heard } = await probe();
    await call('quiet', '1');
    expect(heard()).toEqual([]);
    await call('a', source);
    expect(heard()).toEqual(told);
    await call('quiet', '1');
    expect(heard()).toEqual([]);
    await sandbox.destroy();
    expect(heard()).toEqual([]);
  });

  it('call by call, in instances that live long', async () => {
    const { sandbox, call, heard } = await probe();
    for (const id of ['a', 'b', 'c', 'd']) {
      await call(id, `print("of ${id}"), os.write(2, b"and this")`);
      expect(heard()).toEqual([`${id} stdout of ${id}\n`, `${id} stderr and this`]);
    }
    await sandbox.destroy();
  });

  it('what loading the code printed is the first call’s', async () => {
    const { sandbox, call, heard } = await listenTo('print("loading")\ndef handler(e):\n    print(e)\n');
    await call('a', 'one');
    await call('b', 'two');
    expect(heard()).toEqual(['a stdout loading\none\n', 'b stdout two\n']);
    await sandbox.destroy();
  });

  it('but nobody’s if it was loaded ahead', async () => {
    const { sandbox, call, heard } = await listenTo('print("loading", end="")\ndef handler(e):\n    print(e)\n');
    expect(await sandbox.load()).toMatchObject({ kind: 'loaded' });
    expect(heard()).toEqual(['undefined stdout loading']);
    await call('a', 'one');
    expect(heard()).toEqual(['a stdout one\n']);
    await sandbox.destroy();
  });
});

describe('a call that fails has told what it printed, and why it failed:', () => {
  it.each([
    ['no JSON', 'print("x")\nr = {1, 2}', [/^a stderr \[ERROR\] Runtime.MarshalError: /, 'a stdout x\n']],
    ['sys.exit', 'print("x", end="")\nsys.exit("bye")', [/^a stderr bye\n$/, 'a stdout x']],
    ['os._exit', 'print("x")\nos._exit(3)', ['a stdout x\n']],
    ['a segmentation fault', 'os.write(1, b"x")\nctypes.string_at(0)', ['a stdout x']],
    ['too much memory', 'print("x")\nb = bytearray(400 << 20)', ['a stdout x\n']],
    ['a foreign frame', 'print("x")\nos.write(3, b"y" * 100)\ntime.sleep(600)', ['a stdout x\n']],
  ])('%s', async (_how, source, told) => {
    const { sandbox, call, heard } = await probe();
    await call('a', source);
    // Of a call that takes long, what is no whole line comes last.
    expect(heard().sort()).toEqual(told.map((one) => (typeof one === 'string' ? one : expect.stringMatching(one))));
    await sandbox.destroy();
    expect(heard()).toEqual([]);
  });

  it('an exception', async () => {
    const { sandbox, call, heard } = await listenTo('def handler(e):\n    print("x")\n    return e["k"]\n');
    await call('a', {});
    expect(heard()).toEqual([
      'a stdout x\n',
      expect.stringMatching(
        /^a stderr \[ERROR\] KeyError: 'k'\nTraceback \(most recent call last\):\n {2}File "\/handler\/lambda_func.py", line 3/,
      ),
    ]);
    await sandbox.destroy();
  });

  it('code that can not be loaded', async () => {
    const { sandbox, call, heard } = await listenTo('print("x")\nimport nothing_like_it\n');
    await call('a', 1);
    expect(heard()).toEqual(['a stdout x\n', expect.stringMatching(/^a stderr \[ERROR\] Runtime.ImportModuleError: /)]);
    await sandbox.destroy();
  });

  it('being destroyed', async () => {
    const { sandbox, call, heard } = await probe();
    const reply = call('a', 'print("x")\nopen("/host/printed", "w")\ntime.sleep(600)');
    await expect.poll(() => readdirSync(scratch())).toContain('printed');
    const gone = sandbox.destroy();
    expect(heard()).toEqual(['a stdout x\n']);
    expect(await reply).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
    await gone;
    expect(heard()).toEqual([]);
  });
});

/** Goes on with what waits for a file of that name. */
const step = (name: string) => writeFileSync(join(scratch(), name), '');

describe('what is printed after the answer is nobody’s call’s,', () => {
  const printed = () => readFileSync(join(scratch(), 'stdout'), 'utf8');
  /** Of a shell. */
  const until = (name: string) => `while [ ! -e /host/${name} ]; do sleep 0.01; done`;

  it.each([
    [
      'a thread',
      'def later():\n    while not os.path.exists("/host/later"):\n        time.sleep(0.01)\n    print("later")\nthreading.Thread(target=later).start()',
    ],
    ['a program', `subprocess.Popen("${until('later')}; echo later", shell=True).pid`],
  ])('by %s, also if a call follows', async (_who, source) => {
    const { sandbox, call, heard } = await probe();
    await call('a', source);
    step('later');
    await expect.poll(printed).toBe('later\n');
    expect(heard()).toEqual([]);
    await call('b', 'print("now")');
    expect(heard()).toEqual(['undefined stdout later\n', 'b stdout now\n']);
    await sandbox.destroy();
  });

  it('and is told when the sandbox is paused, or at last when it ends', async () => {
    const { sandbox, call, heard } = await probe();
    await call('a', `subprocess.Popen("${until('one')}; echo one; ${until('two')}; echo two", shell=True).pid`);
    step('one');
    await expect.poll(printed).toBe('one\n');
    await sandbox.pause();
    expect(heard()).toEqual(['undefined stdout one\n']);
    await call('b', '1');
    step('two');
    await expect.poll(printed).toBe('one\ntwo\n');
    await sandbox.destroy();
    expect(heard()).toEqual(['undefined stdout two\n']);
  });
});

describe('printing without end', () => {
  const FLOOD = 'for n in range(3000): print("%d " % n + "x" * 1000)';

  it('is cut at the limit, and said to be', async () => {
    const { sandbox, call, told } = await probe();
    await call('a', FLOOD);
    expect(told.filter(({ cut }) => cut)).toEqual([told.at(-1)]);
    expect(joined(told)).toMatchObject([
      { requestId: 'a', stream: 'stdout', cut: true, bytes: { length: LIMITS.output_kb * KIB } },
    ]);
    await sandbox.destroy();
  });

  it('leaves the next call what there is', async () => {
    const { sandbox, call, told, heard } = await probe();
    for (const id of ['a', 'b', 'c']) {
      await call(id, FLOOD);
      expect(joined(told.splice(0))).toMatchObject([
        { requestId: id, cut: true, bytes: { length: LIMITS.output_kb * KIB } },
      ]);
    }
    await call('d', 'print("x", end="")');
    expect(told).toMatchObject([{ cut: false }]);
    expect(heard()).toEqual(['d stdout x']);
    await sandbox.destroy();
  });

  it('in small pieces loses nothing in an instance’s life, whatever the limit', async () => {
    const { sandbox, call, told } = await probe({ limits: { output_kb: 16 } });
    const line = (n: number) => `${n} ${'x'.repeat(500)}\n`;
    for (let n = 0; n < 200; n += 1) await call(`${n}`, `print("${n} " + "x" * 500)`);
    expect(told.map(({ requestId, bytes, cut }) => ({ requestId, text: `${bytes}`, cut }))).toEqual(
      Array.from({ length: 200 }, (_, n) => ({ requestId: `${n}`, text: line(n), cut: false })),
    );
    expect(statSync(join(scratch(), 'stdout')).size).toBeLessThan(16 * KIB);
    await sandbox.destroy();
  });
});

describe('a call that takes long has told what it printed', () => {
  /** Prints on, line by line, whenever a file of that number is there. */
  const STEPS = `
import os, threading, time
def wait_for(name):
    while not os.path.exists(f"/host/{name}"):
        time.sleep(0.01)
def later():
    wait_for("later")
    print("later")
def handler(event):
    if event == "thread":
        threading.Thread(target=later).start()
        return
    print("one")
    wait_for("first")
    print("two"); os.write(2, b"three\\n"); os.write(1, "fo\u20acur".encode()[:3])
    wait_for("second")
    os.write(1, "fo\u20acur".encode()[3:])
`;
  it('while it runs, in whole lines', async () => {
    const { sandbox, call, told, heard } = await listenTo(STEPS);
    const reply = call('a', 1);
    await expect.poll(() => told.length).toBe(1);
    expect(heard()).toEqual(['a stdout one\n']);
    step('first');
    await expect.poll(() => told.length).toBe(2);
    expect(heard().sort()).toEqual(['a stderr three\n', 'a stdout two\n']);
    step('second');
    expect(await reply).toMatchObject({ kind: 'result' });
    expect(heard()).toEqual(['a stdout fo\u20acur']);
    await sandbox.destroy();
  });

  it('and not what a thread printed before it, as its own', async () => {
    const { sandbox, call, told, heard } = await listenTo(STEPS);
    await call('a', 'thread');
    step('later');
    await expect.poll(() => readFileSync(join(scratch(), 'stdout'), 'utf8')).toBe('later\n');
    const reply = call('b', 1);
    await expect.poll(() => told.length).toBe(2);
    expect(heard()).toEqual(['undefined stdout later\n', 'b stdout one\n']);
    step('first');
    step('second');
    expect(await reply).toMatchObject({ kind: 'result' });
    await sandbox.destroy();
  });

  it('up to the limit, and that it was cut with the last of it, at the end', async () => {
    const flood = 'for n in range(400): print("x" * 1023)\nopen("/host/full", "w")\n';
    const until = 'while not os.path.exists("/host/go"): time.sleep(0.01)';
    const { sandbox, call, told } = await probe();
    const reply = call('a', `print("first")\ntime.sleep(0.3)\n${flood}${until}`);
    await expect.poll(() => told.length).toBeGreaterThan(0);
    await expect.poll(() => readdirSync(scratch())).toContain('full');
    step('go');
    await reply;
    expect(told.map(({ cut }) => cut)).toEqual([...told.slice(1).map(() => false), true]);
    expect(joined(told)).toMatchObject([{ requestId: 'a', bytes: { length: LIMITS.output_kb * KIB } }]);
    await sandbox.destroy();
  });
});

describe('a handler that lies about what it printed', () => {
  const early = (meta: string, times = 1) =>
    `meta = b'${meta}'\nprint("x")\n` +
    `os.write(3, (struct.pack(">IBH", 2 + len(meta), 0x16, len(meta)) + meta) * ${times})`;

  it('before its call: its own lines are nobody’s then', async () => {
    const { sandbox, call, heard } = await probe();
    expect(await call('a', early('{"printed":[9007199254740991,0]}'))).toMatchObject({ kind: 'result' });
    expect(heard()).toEqual(['undefined stdout x\n']);
    await sandbox.destroy();
  });

  it.each([
    ['{"printed":[0,0]}', 2, 'frame kind 22'],
    ['{"printed":[0,0,0,0]}', 1, 'no two numbers'],
    ['{"printed":[-1,0]}', 1, 'no two numbers'],
    ['{}', 1, 'no two numbers'],
  ])('before its call loses its sandbox: %s, %i times', async (meta, times, reason) => {
    const { call } = await probe();
    const ending = { cause: 'lost', reason: expect.stringContaining(reason) };
    expect(await call('a', `${early(meta, times)}\ntime.sleep(600)`)).toMatchObject({ kind: 'ended', ending });
  });

  const lying = (printed: string) =>
    `meta = b'{"init_us":0,"run_us":1,"printed":${printed}}'\nprint("x")\n` +
    'os.write(3, struct.pack(">IBH", 2 + len(meta) + 1, 0x11, len(meta)) + meta + b"1")\ntime.sleep(600)';

  it.each([
    ['of the future', '[0,0,9007199254740991,9007199254740991]', ['a stdout x\n']],
    ['backwards', '[1000000,5,2,0]', ['a stdout x\n']],
    ['nothing', '[0,0,0,0]', []],
  ])('hurts nobody: %s', async (_what, printed, told) => {
    const { sandbox, call, heard } = await probe();
    expect(await call('a', lying(printed))).toMatchObject({ kind: 'result' });
    expect(heard()).toEqual(told);
    await sandbox.destroy();
  });

  it.each(['[0,0,0]', '[0,0,-1,0]', '[0,0,1e300,0]', '["a",0,0,0]', '{}', 'null'])(
    'loses its sandbox: %s',
    async (printed) => {
      const { call } = await probe();
      const ending = { cause: 'lost', reason: expect.stringContaining('no four numbers') };
      expect(await call('a', lying(printed))).toMatchObject({ kind: 'ended', ending });
    },
  );
});

describe('CPU time', () => {
  const spin = (seconds: number) => `t = time.process_time()\nwhile time.process_time() < t + ${seconds}: pass`;

  it('is what each call has taken by itself, threads and programs included', async () => {
    const { sandbox, call } = await probe();
    expect(sandbox.cpuUs).toBe(undefined);
    await call('a', spin(0.2));
    expect(sandbox.cpuUs).toBeGreaterThan(199_000);
    await call('b', 'time.sleep(0.3)');
    expect(sandbox.cpuUs).toBeLessThan(100_000);
    await call(
      'c',
      'subprocess.run(["/bin/sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]).returncode',
    );
    const program = sandbox.cpuUs as number;
    await call('d', '1');
    expect(program).toBeGreaterThan(10 * (sandbox.cpuUs as number));
    await sandbox.destroy();
  });

  it('of a call without an answer is what the kernel counts, while it runs and after the end', async () => {
    const { sandbox, call } = await probe();
    await call('a', spin(0.3));
    const reply = call('b', `${spin(0.2)}\nopen("/host/spun", "w")\ntime.sleep(600)`);
    await expect.poll(() => readdirSync(scratch())).toContain('spun');
    // Where the kernel does not count by group nobody knows.
    if (sandbox.cpuUs !== undefined) {
      expect(sandbox.cpuUs).toBeGreaterThan(199_000);
      expect(sandbox.cpuUs).toBeLessThan(400_000);
    }
    const before = sandbox.cpuUs;
    await sandbox.destroy();
    expect(await reply).toMatchObject({ kind: 'ended' });
    if (before !== undefined) expect(sandbox.cpuUs).toBeGreaterThanOrEqual(before);
  });

  it.each(['-1', '"a"', '1e300', '[]'])('that is no number loses the sandbox: %s', async (said) => {
    const { call } = await probe();
    const meta = `{"init_us":0,"run_us":1,"cpu_us":${said}}`;
    const lie = `meta = b'${meta}'\nos.write(3, struct.pack(">IBH", 2 + len(meta), 0x11, len(meta)) + meta)\ntime.sleep(600)`;
    const ending = { cause: 'lost', reason: expect.stringContaining('CPU time') };
    expect(await call('a', lie)).toMatchObject({ kind: 'ended', ending });
  });

  it('is never more than there can have been', async () => {
    const { sandbox, call } = await probe();
    const meta = '{"init_us":0,"run_us":1,"cpu_us":9007199254740991}';
    await call(
      'a',
      `meta = b'${meta}'\nos.write(3, struct.pack(">IBH", 3 + len(meta), 0x11, len(meta)) + meta + b"1")\ntime.sleep(600)`,
    );
    expect(sandbox.cpuUs).toBeLessThan(60_000_000 * availableParallelism());
    await sandbox.destroy();
  });
});

describe('memory', () => {
  it('is known from the first answer on, grows with what is taken, and is the control group’s after the end', async () => {
    const { sandbox, call } = await probe();
    expect(sandbox.peakBytes).toBe(undefined);
    await call('a', '1');
    const small = sandbox.peakBytes as number;
    await call('b', 'len(bytearray(30 << 20))');
    const large = sandbox.peakBytes as number;
    expect(large - small).toBeGreaterThan(25 << 20);
    expect(await call('c', 'len(bytearray(400 << 20))')).toMatchObject({ ending: { cause: 'out-of-memory' } });
    expect(sandbox.peakBytes).toBeGreaterThan((LIMITS.memory_mb - 2) << 20);
    expect(sandbox.peakBytes).toBeLessThanOrEqual(LIMITS.memory_mb << 20);
  });
});
