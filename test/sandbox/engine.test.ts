import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Timings } from '../../src/sandbox/sandbox.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { pidsIn } from './cgroup-view.ts';
import { ask, type Bench, resultOf, startBench, TICKS, ticksAgain, ticksNoMore } from './engine-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

describe('a sandbox', () => {
  it('runs the code that was handed over, once per event, and keeps its state', async () => {
    const sandbox = await bench.sandbox(
      'n = 0\ndef handler(event):\n    global n\n    n += 1\n    return [event, n]\n',
    );
    expect(await resultOf(sandbox, { a: 1 })).toEqual([{ a: 1 }, 1]);
    expect(await resultOf(sandbox, 'x')).toEqual(['x', 2]);
    await sandbox.destroy();
  });

  it('loads its code without an event if asked to, and the first call then has nothing to load', async () => {
    const sandbox = await bench.sandbox('loaded = 1\ndef handler(event):\n    return [event, loaded]\n');
    const loading = await sandbox.load();
    expect(loading).toMatchObject({ kind: 'loaded', timings: { runUs: 0 } });
    expect((loading as { timings: Timings }).timings.initUs).toBeGreaterThan(0);
    await sandbox.pause();
    expect(await ask(sandbox, 'x')).toMatchObject({ kind: 'result', timings: { initUs: 0 } });
    await sandbox.destroy();
  });

  it('tells when it is asked to load that the code does not, and the first call as well', async () => {
    const sandbox = await bench.sandbox('raise KeyError("k")\n');
    const loading = await sandbox.load();
    const first = await ask(sandbox);
    for (const [answer, requestId] of [
      [loading, ''],
      [first, 'test-request'],
    ] as const) {
      expect(answer.kind).toBe('init-failed');
      const body = JSON.parse((answer as { body: Buffer }).body.toString());
      expect(body).toMatchObject({ errorType: 'KeyError', requestId });
      expect(body.stackTrace).toHaveLength(1);
    }
    expect(await sandbox.ended).toEqual({ cause: 'exit', status: 0 });
  });

  it.each([
    ['exits', 'import os\nos._exit(3)\n', { cause: 'exit', status: 3 }],
    ['takes all memory', 'x = bytearray(1 << 30)\n', { cause: 'out-of-memory' }],
    [
      'answers an event that is not there',
      'import os, time\nos.write(3, bytes.fromhex("00000002110000"))\ntime.sleep(60)\n',
      { cause: 'lost' },
    ],
  ])('that is asked to load code that %s tells its end', async (_what, source, ending) => {
    const sandbox = await bench.sandbox(source);
    expect(await sandbox.load()).toMatchObject({ kind: 'ended', ending });
    expect(await ask(sandbox)).toMatchObject({ kind: 'ended', ending });
  });

  it('that hangs while it loads ends when it is destroyed', async () => {
    const sandbox = await bench.sandbox('import time\ntime.sleep(600)\n');
    const loading = sandbox.load();
    await sandbox.destroy();
    expect(await loading).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
  });

  it('tells the type, message and own frames of what the handler raised', async () => {
    const sandbox = await bench.sandbox('def handler(event):\n    raise ValueError("boom")\n');
    const reply = await ask(sandbox);
    expect(reply.kind).toBe('raised');
    const body = JSON.parse((reply as { body: Buffer }).body.toString());
    expect(body).toMatchObject({ errorType: 'ValueError', errorMessage: 'boom', requestId: 'test-request' });
    expect(body.stackTrace).toEqual([
      '  File "/handler/lambda_func.py", line 2, in handler\n    raise ValueError("boom")\n',
    ]);
    await sandbox.destroy();
  });

  it.each([
    ['a syntax error', 'def handler(:\n', 'Runtime.UserCodeSyntaxError'],
    ['a missing module', 'import nosuchmodule\n', 'Runtime.ImportModuleError'],
    ['no handler', 'x = 1\n', 'Runtime.HandlerNotFound'],
    ['an exception at import', 'raise KeyError("k")\n', 'KeyError'],
    ['sys.exit at import', 'import sys\nsys.exit(3)\n', 'Runtime.ExitError'],
  ])('answers with the error of code that can not be loaded: %s', async (_what, source, errorType) => {
    const sandbox = await bench.sandbox(source);
    const reply = await ask(sandbox);
    expect(reply.kind).toBe('init-failed');
    expect(JSON.parse((reply as { body: Buffer }).body.toString()).errorType).toBe(errorType);
    await sandbox.destroy();
  });

  it('that answers and ends is heard, though a busy worker learns of its end first', async () => {
    const sandbox = await bench.sandbox('raise KeyError("k")\n', 'hasty');
    const [pid] = pidsIn(markerOf(bench.dir), sandbox.id) as [number];
    process.kill(pid, 'SIGSTOP');
    const reply = ask(sandbox);
    // What the spawner says is read before what sandboxes say from here on.
    await bench.engine.memory();
    process.kill(pid, 'SIGCONT');
    standStillUntilGone(bench.dir, 'hasty');
    expect((await reply).kind).toBe('init-failed');
    expect(await sandbox.ended).toEqual({ cause: 'exit', status: 0 });
  });

  it('that crashes tells the cause, though its zygote is too busy to report it before the worker asks for its end', async () => {
    const sandbox = await bench.sandbox('import os\ndef handler(e):\n    os._exit(7)\n', 'late');
    const zygotes = zygotesOf(spawnerOf(bench.dir));
    for (const zygote of zygotes) process.kill(zygote, 'SIGSTOP');
    const reply = ask(sandbox);
    // Longer than a broken channel waits for the cause.
    await delay(600);
    for (const zygote of zygotes) process.kill(zygote, 'SIGCONT');
    expect(await reply).toEqual({ kind: 'ended', ending: { cause: 'exit', status: 7 } });
  });

  it.each([
    ['os._exit', 'import os\ndef handler(e):\n    os._exit(7)\n', { cause: 'exit', status: 7 }],
    ['sys.exit', 'import sys\ndef handler(e):\n    sys.exit(5)\n', { cause: 'exit', status: 5 }],
    ['a segfault', 'import ctypes\ndef handler(e):\n    ctypes.string_at(0)\n', { cause: 'signal', signal: 'SIGSEGV' }],
    ['memory', 'def handler(e):\n    return len(bytearray(1 << 30))\n', { cause: 'out-of-memory' }],
    [
      'closing the channel',
      'import os, time\ndef handler(e):\n    os.close(3)\n    time.sleep(60)\n',
      { cause: 'lost' },
    ],
    [
      'garbage',
      'import os, time\ndef handler(e):\n    os.write(3, b"x" * 64)\n    time.sleep(60)\n',
      { cause: 'lost' },
    ],
  ])('that dies of %s tells the cause to its caller', async (_what, source, ending) => {
    const sandbox = await bench.sandbox(source);
    const reply = await ask(sandbox);
    expect(reply).toMatchObject({ kind: 'ended', ending });
    expect(await sandbox.ended).toMatchObject(ending);
  });

  it('tells the caller of a call, however short, that a child of an earlier one has run out of memory', async () => {
    const source =
      'import os\ndef handler(e):\n    if e and os.fork() == 0:\n        len(b"x" * (1 << 30))\n    return 1\n';
    const sandbox = await bench.sandbox(source);
    let reply = await ask(sandbox, true);
    while (reply.kind === 'result') reply = await ask(sandbox, false);
    expect(reply).toEqual({ kind: 'ended', ending: { cause: 'out-of-memory' } });
  });

  it('has its scratch on the host under its lambda and number, and leaves nothing of it', async () => {
    const sandbox = await bench.sandbox(
      'def handler(e):\n    print("said")\n    open("/host/made", "w").write("x")\n',
      'scratchy',
    );
    await resultOf(sandbox);
    const [instance] = readdirSync(join(bench.dir, 'handlers/scratchy'));
    const scratch = join(bench.dir, 'handlers/scratchy', instance as string);
    expect(readdirSync(scratch).sort()).toEqual(['made', 'server_pipe', 'stderr', 'stdout']);
    expect(lstatSync(join(scratch, 'server_pipe')).isSocket()).toBe(true);
    await sandbox.destroy();
    expect(existsSync(scratch)).toBe(false);
  });

  it('that is paused does not run, and answers when it is called', async () => {
    const sandbox = await bench.sandbox(TICKS, 'ticker');
    for (const event of [1, 2]) {
      expect(await resultOf(sandbox, event)).toBe(event);
      await ticksAgain(bench, 'ticker');
      await sandbox.pause();
      await ticksNoMore(bench, 'ticker');
    }
    await sandbox.destroy();
  });

  it('reports its memory while it lives', async () => {
    const sandbox = await bench.sandbox('kept = bytearray(20 << 20)\ndef handler(e):\n    return 1\n');
    await resultOf(sandbox);
    const bytes = (await bench.engine.memory()).get(sandbox.id) as number;
    expect(bytes).toBeGreaterThan(20 << 20);
    expect(bytes).toBeLessThan(60 << 20);
    await sandbox.destroy();
    expect((await bench.engine.memory()).has(sandbox.id)).toBe(false);
  });

  it('whose forked child returns from the handler answers once', async () => {
    const sandbox = await bench.sandbox(
      'import os\ndef handler(e):\n    pid = os.fork()\n    return "child" if pid == 0 else "parent"\n',
    );
    expect(await resultOf(sandbox)).toBe('parent');
    expect(await resultOf(sandbox)).toBe('parent');
    await sandbox.destroy();
  });

  it('refuses an answer that is too large, or no JSON, by name', async () => {
    const sandbox = await bench.sandbox('def handler(e):\n    return "x" * (300 * 1024) if e else {1}\n');
    const typeOf = async (event: unknown) =>
      JSON.parse(((await ask(sandbox, event)) as { body: Buffer }).body.toString()).errorType;
    expect(await typeOf(true)).toBe('Function.ResponseSizeTooLarge');
    expect(await typeOf(false)).toBe('Runtime.MarshalError');
    await sandbox.destroy();
  });

  it.each([
    ['a message of 10 MB', 'raise ValueError("x" * 10**7)', 'ValueError'],
    [
      'a message that can not be made',
      'class E(Exception):\n        def __str__(self):\n            raise SystemExit(1)\n    raise E()',
      'E',
    ],
    ['a deep recursion', 'def f():\n        f()\n    f()', 'RecursionError'],
  ])('tells what the handler raised, also with %s', async (_what, body, errorType) => {
    const sandbox = await bench.sandbox(`def handler(e):\n    ${body}\n`);
    const reply = await ask(sandbox);
    expect(reply.kind).toBe('raised');
    expect(JSON.parse((reply as { body: Buffer }).body.toString())).toMatchObject({ errorType });
    await sandbox.destroy();
  });

  it.each(['float("nan")', 'float("inf")', '[1e400]', '{1: {2}}', 'b"x"'])(
    'answers JSON or says why not: %s',
    async (value) => {
      const sandbox = await bench.sandbox(`def handler(e):\n    return ${value}\n`);
      const reply = await ask(sandbox);
      expect(reply.kind).toBe('raised');
      expect(JSON.parse((reply as { body: Buffer }).body.toString()).errorType).toBe('Runtime.MarshalError');
      await sandbox.destroy();
    },
  );

  it.each(['NaN', '{"a": Infinity}', '', '{', '"\u0000', '[1,]'])(
    'refuses an event that is no JSON: %s',
    async (event) => {
      const sandbox = await bench.sandbox('def handler(e):\n    return e\n');
      const reply = await sandbox.call({ requestId: 'r', event: Buffer.from(event), deadlineMs: Date.now() + 1000 });
      expect(reply.kind).toBe('event-invalid');
      await sandbox.destroy();
    },
  );

  it('outlives any number of daemons, whose remains do not count as its processes', async () => {
    const source =
      'import os, subprocess\ndef handler(e):\n    for _ in range(8):\n        pid = os.fork()\n        if pid == 0:\n' +
      '            os.setsid()\n            if os.fork() == 0:\n                os._exit(0)\n            os._exit(0)\n        os.waitpid(pid, 0)\n' +
      '    kept.append(subprocess.Popen(["/bin/false"]))\n    return [p.wait() for p in kept[:-1]]\nkept = []\n';
    const sandbox = await bench.sandbox(source);
    for (let call = 0; call < 12; call += 1) {
      // Children that the handler waits for in a later call keep their status.
      expect(await resultOf(sandbox)).toEqual(Array(call).fill(1));
    }
    await sandbox.destroy();
  });

  it('that sends half a frame while nobody asks is ended, and nobody gets that as an answer', async () => {
    const source =
      'import os, threading\ndef handler(e):\n    threading.Timer(0.05, lambda: os.write(3, b"\\0")).start()\n    return 1\n';
    const sandbox = await bench.sandbox(source);
    expect(await resultOf(sandbox)).toBe(1);
    expect(['lost', 'exit']).toContain((await sandbox.ended).cause);
    expect((await ask(sandbox)).kind).toBe('ended');
  });
});

function spawnerOf(workerDir: string): number {
  return JSON.parse(readFileSync(join(workerDir, 'spawner.lock'), 'utf8')).spawner[0];
}

function zygotesOf(spawner: number): number[] {
  const children = readFileSync(`/proc/${spawner}/task/${spawner}/children`, 'utf8').split(' ').filter(Boolean);
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('isla_zygote')).map(Number);
}

/** As a worker with too much to do: reads nothing until the lambda's instance has gone and the spawner has said so. */
function standStillUntilGone(workerDir: string, lambda: string): void {
  const spawner = spawnerOf(workerDir);
  const handlers = join(workerDir, 'handlers', lambda);
  while (!existsSync(handlers));
  while (existsSync(handlers));
  while (!/\) S /.test(readFileSync(`/proc/${spawner}/stat`, 'utf8')));
}
