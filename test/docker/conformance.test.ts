/** Both engines: the same answers, the same errors, the same limits, and nothing left. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretStore } from '../../src/cluster/secret-store.ts';
import type { Engine, Output, Sandbox } from '../../src/sandbox/sandbox.ts';
import {
  type Asked,
  ask,
  type Bench,
  LIMITS,
  PROBE,
  resultOf,
  startBench,
  TICKS,
  ticksAgain,
  ticksNoMore,
} from '../sandbox/engine-fixture.ts';
import { startDockerBench } from './docker-bench.ts';

const FILL =
  'import os\ndef handler(path):\n    total = 0\n    try:\n        with open(path + "/fill", "wb", 0) as file:\n' +
  '            while total < 400 << 20:\n                total += file.write(bytes(1 << 20))\n' +
  '    except OSError as error:\n        os.unlink(path + "/fill")\n        return [error.strerror, total >> 20]\n';
const COUNT_PROCESSES =
  'import os, signal\ndef handler(e):\n    pids = []\n    try:\n        while len(pids) < 200:\n            pid = os.fork()\n' +
  '            if pid == 0:\n                signal.pause()\n            pids.append(pid)\n    except OSError as error:\n' +
  '        return [error.errno, len(pids)]\n    finally:\n        for pid in pids:\n            os.kill(pid, 9)\n            os.waitpid(pid, 0)\n';
const EAGAIN = 11;
const DENIED = /^(PermissionError: (1|13)|OSError: 30)$/;

describe.each([
  ['sock', startBench],
  ['docker', startDockerBench],
] as const)('the %s engine', (name, start) => {
  let bench: Bench<Engine>;
  beforeAll(async () => {
    bench = await start();
  });
  afterAll(() => bench.close());

  /** One call of a sandbox of its own. */
  async function once(source: string, event?: unknown, asked?: Asked) {
    const sandbox = await bench.sandbox(source, 'probe', asked);
    const reply = await ask(sandbox, event);
    await sandbox.destroy();
    return reply;
  }
  async function result(source: string, event?: unknown, asked?: Asked): Promise<unknown> {
    const reply = await once(source, event, asked);
    if (reply.kind !== 'result')
      throw new Error(JSON.stringify({ ...reply, body: String('body' in reply && reply.body) }));
    return JSON.parse(reply.body.toString());
  }
  const probe = (source: string, asked?: Asked) => result(PROBE, source, asked);
  const typeOf = (reply: Awaited<ReturnType<typeof ask>>) =>
    'body' in reply ? JSON.parse(reply.body.toString()).errorType : undefined;

  describe('answers', () => {
    it('with what the handler returns, event by event, in one process', async () => {
      const source = 'seen = []\ndef handler(event):\n    seen.append(event)\n    return seen\n';
      const sandbox = await bench.sandbox(source);
      expect(await resultOf(sandbox, { name: 'Zoë' })).toEqual([{ name: 'Zoë' }]);
      expect(await resultOf(sandbox, 2)).toEqual([{ name: 'Zoë' }, 2]);
      await sandbox.destroy();
    });

    it('in order for sandboxes of several lambdas at once', async () => {
      const answers = Array.from({ length: 6 }, (_, index) => result(`def handler(e):\n    return ${index}\n`));
      expect(await Promise.all(answers)).toEqual([0, 1, 2, 3, 4, 5]);
    });

    it('with a large answer to a large event', async () => {
      const text = 'x'.repeat(200_000);
      expect(await result('def handler(e):\n    return e\n', text)).toBe(text);
    });

    it('to code of several files, with environment, context and a working directory', async () => {
      const source =
        'import os\ndef handler(event, context):\n    return [os.getcwd(), os.environ["GREETING"], context.function_name, context.memory_limit_in_mb]\n';
      const asked = { env: { GREETING: 'hi' }, limits: { memory_mb: 100 } };
      expect(await result(source, {}, asked)).toEqual(['/handler', 'hi', 'probe', '100']);
    });

    it('after it was paused, and does not run meanwhile', async () => {
      const sandbox = await bench.sandbox(TICKS, 'ticker');
      for (const event of [1, 2]) {
        expect(await resultOf(sandbox, event)).toBe(event);
        await ticksAgain(bench, 'ticker');
        await sandbox.pause();
        await ticksNoMore(bench, 'ticker');
      }
      await sandbox.destroy();
    });

    it('whether its code has loaded, before any event', async () => {
      const sandbox = await bench.sandbox('def handler(e):\n    return 1\n');
      expect((await sandbox.load()).kind).toBe('loaded');
      expect(await resultOf(sandbox)).toBe(1);
      await sandbox.destroy();
    });
  });

  describe('tells failures by name:', () => {
    it.each([
      ['an exception', 'def handler(e):\n    return 1 / 0\n', 'raised', 'ZeroDivisionError'],
      ['a syntax error', 'def handler(e)\n', 'init-failed', 'Runtime.UserCodeSyntaxError'],
      ['a missing module', 'import nothing_of_this_name\n', 'init-failed', 'Runtime.ImportModuleError'],
      ['no handler', 'x = 1\n', 'init-failed', 'Runtime.HandlerNotFound'],
      ['an answer that is no JSON', 'def handler(e):\n    return {1, 2}\n', 'raised', 'Runtime.MarshalError'],
      ['too large an answer', 'def handler(e):\n    return "x" * 400_000\n', 'raised', 'Function.ResponseSizeTooLarge'],
    ])('%s', async (_what, source, kind, type) => {
      const reply = await once(source);
      expect([reply.kind, typeOf(reply)]).toEqual([kind, type]);
    });

    it.each([
      ['its own exit', 'import os\ndef handler(e):\n    os._exit(3)\n', { cause: 'exit', status: 3 }],
      ['a sys.exit', 'import sys\ndef handler(e):\n    sys.exit(4)\n', { cause: 'exit', status: 4 }],
      [
        'a segmentation fault',
        'import ctypes\ndef handler(e):\n    ctypes.string_at(0)\n',
        { cause: 'signal', signal: 'SIGSEGV' },
      ],
      ['its memory', 'def handler(e):\n    return len(bytearray(400 << 20))\n', { cause: 'out-of-memory' }],
    ])('the end by %s', async (_what, source, ending) => {
      expect(await once(source)).toEqual({ kind: 'ended', ending });
    });

    it('the end by memory of a child, though the handler answers', async () => {
      const source =
        'import os\ndef handler(e):\n    pid = os.fork()\n    if pid == 0:\n        bytearray(400 << 20)\n        os._exit(0)\n    return os.waitpid(pid, 0)[1]\n';
      expect(await once(source)).toEqual({ kind: 'ended', ending: { cause: 'out-of-memory' } });
    });

    it('the end of one that is destroyed in the middle of a call, with all its processes', async () => {
      const source =
        'import os, time\ndef handler(e):\n    for _ in range(5):\n        if os.fork() == 0:\n            break\n    time.sleep(600)\n';
      const sandbox = await bench.sandbox(source);
      const reply = ask(sandbox);
      await new Promise((done) => setTimeout(done, 300));
      await sandbox.destroy();
      expect(await reply).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
    });
  });

  describe('limits', () => {
    it.each([8, 60])('processes to %i', async (procs) => {
      expect(await result(COUNT_PROCESSES, {}, { limits: { procs } })).toEqual([EAGAIN, procs - 1]);
    });

    it('the CPU to a tenth of a core', async () => {
      const source =
        'import time\ndef handler(e):\n    end = time.monotonic() + 1\n    while time.monotonic() < end:\n        pass\n    return time.process_time()\n';
      const sandbox = await bench.sandbox(source, 'slow', { limits: { cpu_percent: 10 } });
      await sandbox.load();
      expect(await resultOf(sandbox)).toBeLessThan(0.5);
      await sandbox.destroy();
    });

    it.each(['/tmp', '/dev/shm'])('%s, which is full in time', async (path) => {
      expect(await result(FILL, path)).toEqual(['No space left on device', LIMITS.tmp_mb]);
    });

    it('scratch, which is full in time', async () => {
      const [why, mb] = (await result(FILL, '/host', { limits: { scratch_mb: 16 } })) as [string, number];
      expect([why, mb === 15 || mb === 16]).toEqual(['No space left on device', true]);
    });

    it('what is printed, and tells that there was more', async () => {
      const told: Output[] = [];
      const source = 'def handler(e):\n    for _ in range(1000):\n        print("x" * 1023)\n    return "done"\n';
      expect(await result(source, {}, { onOutput: (output) => void told.push(output) })).toBe('done');
      const bytes = told.reduce((sum, output) => sum + output.bytes.length, 0);
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(LIMITS.output_kb * 1024);
      expect(told.some((output) => output.cut)).toBe(true);
    });
  });

  describe('gives a handler', () => {
    it('no right, no id of root, and no way to more', async () => {
      const status =
        'r = [l.split()[1] for l in open("/proc/self/status") if l.split(":")[0] in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")]';
      expect(await probe(status)).toEqual([...Array(5).fill('0000000000000000'), '1', '2']);
      expect(
        await probe('import os\nr = os.getuid() != 0 and os.getgid() != 0 and os.getgroups() in ([], [os.getgid()])'),
      ).toBe(true);
      expect(await probe('import os\nos.setuid(0)')).toMatch(DENIED);
    });

    it.each([
      'open("/handler/new", "w")',
      'open("/packages/new", "w")',
      'open("/usr/new", "w")',
      'open("/etc/passwd", "w")',
      'open("/new", "w")',
      'open("/runtime/isla_runtime/server.py", "a")',
      'open("/proc/sys/kernel/hostname", "w")',
    ])('nothing to write but scratch and /tmp: %s', async (source) => {
      expect(await probe(source)).toMatch(DENIED);
    });

    it('no network but its own loopback', async () => {
      expect(await probe('import socket\nr = [name for _, name in socket.if_nameindex()]')).toEqual(['lo']);
      expect(await probe('import socket\nsocket.create_connection(("192.0.2.1", 80), 1)')).toMatch(/^OSError: 101$/);
    });

    it('processes of its own, of which it is the first', async () => {
      expect(await probe('import os\nr = [os.getpid(), [n for n in os.listdir("/proc") if n.isdigit()]]')).toEqual([
        1,
        ['1'],
      ]);
    });

    it('the secrets that it was granted', async () => {
      const store = new SecretStore(bench.secretsDir);
      store.set('key', Buffer.from('value'));
      store.set('other', Buffer.from('value'));
      store.grant({ lambda: 'probe', secret: 'key' });
      const source = 'import os\nr = {n: open("/run/secrets/" + n).read() for n in os.listdir("/run/secrets")}';
      expect(await probe(source, { secrets: ['key', 'other'] })).toEqual({ key: 'value' });
    });

    it('scratch that people find on the host while it lives, and nothing of it after that', async () => {
      const sandbox = await bench.sandbox('def handler(e):\n    open("/host/kept", "w").write("mine")\n', 'writer');
      await resultOf(sandbox);
      const [instance] = readdirSync(join(bench.dir, 'handlers/writer'));
      const dir = join(bench.dir, 'handlers/writer', instance as string);
      expect(readdirSync(dir).sort()).toEqual(['kept', 'server_pipe', 'stderr', 'stdout']);
      await sandbox.destroy();
      expect(existsSync(dir)).toBe(false);
    });
  });

  it('attributes what is printed to the call', async () => {
    const told: [string | undefined, string, string][] = [];
    const onOutput = ({ requestId, stream, bytes }: Output) => void told.push([requestId, stream, bytes.toString()]);
    const source = 'import sys\ndef handler(e):\n    print("out", e)\n    print("err", e, file=sys.stderr)\n';
    const sandbox = await bench.sandbox(source, 'talker', { onOutput });
    await resultOf(sandbox, 1);
    expect(told.sort()).toEqual([
      ['test-request', 'stderr', 'err 1\n'],
      ['test-request', 'stdout', 'out 1\n'],
    ]);
    await sandbox.destroy();
  });

  it('tells the memory of each sandbox', async () => {
    const sandbox = await bench.sandbox('kept = bytearray(b"x") * (50 << 20)\ndef handler(e):\n    pass\n');
    await resultOf(sandbox);
    const bytes = (await bench.engine.memory()).get(sandbox.id) as number;
    expect(bytes).toBeGreaterThan(50 << 20);
    expect(bytes).toBeLessThan(LIMITS.memory_mb << 20);
    await sandbox.destroy();
  });

  it('leaves no process of sandboxes that have ended', async () => {
    const sandboxes: Sandbox[] = await Promise.all(
      [1, 2, 3].map((n) =>
        bench.sandbox(
          'import subprocess\nsubprocess.Popen(["/bin/sleep", "987654"])\ndef handler(e):\n    pass\n',
          `gone-${n}`,
        ),
      ),
    );
    await Promise.all(sandboxes.map((sandbox) => resultOf(sandbox)));
    expect(sleepers()).toHaveLength(3);
    await Promise.all(sandboxes.map((sandbox) => sandbox.destroy()));
    expect(sleepers()).toEqual([]);
  });

  it('has logged no failure', () => {
    expect([name, ...bench.logged]).toEqual([name]);
  });
});

function sleepers(): string[] {
  const all = execFileSync('ps', ['-eo', 'pid,stat,args'], { encoding: 'utf8' });
  return all.split('\n').filter((line) => line.includes('/bin/sleep 987654') && !/^\s*\d+\s+Z/.test(line));
}
