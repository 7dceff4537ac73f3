/** Processes that have loaded a lambda's code, and the sandboxes made from them. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Loader, LoaderEnding } from '../../src/sandbox/loader.ts';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { groupsOf, pidsIn } from './cgroup-view.ts';
import { type Asked, ask, type Bench, PROBE, resultOf, startBench } from './engine-fixture.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench({ zygoteForksMax: 20 });
});
afterEach(async () => {
  const marker = markerOf(bench.dir);
  await bench.close();
  expect(groupsOf(marker)).toEqual([]);
});

async function load(source: string, asked: Asked = {}, seeded: Record<string, number> = {}): Promise<Loader> {
  const outcome = await bench.load(source, 'probe', asked, seeded);
  if ('cause' in outcome) throw new Error(JSON.stringify(outcome));
  return outcome;
}

const COUNTING = `
import os, time
BORN = time.monotonic_ns()
seen = []
def handler(event):
    before = list(seen)
    seen.append(event)
    return [BORN, before]
`;

/** Runs the event in a sandbox of its own, which has loaded its code before. */
async function once(source: string, event: unknown, asked: Asked): Promise<unknown> {
  const sandbox = await bench.sandbox(source, 'probe', asked);
  try {
    expect((await sandbox.load()).kind).toBe('loaded');
    return await resultOf(sandbox, event);
  } finally {
    await sandbox.destroy();
  }
}

describe('sandboxes of a loader', () => {
  it('have its import, and nothing of each other', async () => {
    const loader = await load(COUNTING);
    const found = [];
    for (let event = 0; event < 5; event += 1) found.push(await once(COUNTING, event, { loader }));
    const [born] = found[0] as [number];
    expect(found).toEqual(Array(5).fill([born, []]));
    expect(loader.forks).toBe(5);
    expect((await once(COUNTING, 5, {})) as unknown[]).not.toContain(born);
  });

  it('have files, ids, processes, groups and limits of their own', async () => {
    const loader = await load(PROBE);
    const made = await Promise.all([1, 2].map(() => bench.sandbox(PROBE, 'probe', { loader })));
    const look = `
import os
r = {
    "places": {place: sorted(os.listdir(place)) for place in ("/tmp", "/dev/shm", "/host")},
    "pids": [name for name in os.listdir("/proc") if name.isdigit()],
    "pid": os.getpid(), "user": os.getuid() == os.geteuid() == os.getgid(), "name": os.uname().nodename,
    "directory": os.getcwd(), "descriptors": len(os.listdir("/proc/self/fd")) - 1,
    "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")],
    "groups": sorted({line.split(":", 2)[2].strip() for line in open("/proc/self/cgroup")}),
    "masked": open("/proc/interrupts").read(),
}
for place in r["places"]:
    open(place + "/trace", "w").close()
`;
    for (const sandbox of made) {
      expect(await resultOf(sandbox, look)).toEqual({
        places: { '/tmp': [], '/dev/shm': [], '/host': ['server_pipe', 'stderr', 'stdout'] },
        pids: ['1'],
        pid: 1,
        user: true,
        name: 'sandbox',
        directory: '/handler',
        descriptors: 4,
        capabilities: Array(5).fill('0000000000000000'),
        groups: ['/'],
        masked: '',
      });
    }
    const ids = await Promise.all(made.map((sandbox) => resultOf(sandbox, 'import os; r = os.getuid()')));
    expect(new Set(ids).size).toBe(2);
  });

  it('have the limits of their lambda, and running out of memory ends one of them alone', async () => {
    const asked = { limits: { memory_mb: 64, procs: 8, tmp_mb: 2 } };
    const loader = await load(PROBE, asked);
    const [one, other] = [
      await bench.sandbox(PROBE, 'probe', { ...asked, loader }),
      await bench.sandbox(PROBE, 'probe', { ...asked, loader }),
    ];
    expect(await ask(one, 'x = b"x" * (200 << 20)')).toEqual({ kind: 'ended', ending: { cause: 'out-of-memory' } });
    expect(await resultOf(other, 'open("/tmp/x", "wb").write(b"x" * (4 << 20))')).toMatch(/OSError: 28/);
    const threads =
      'import threading, time\nfor _ in range(20): threading.Thread(target=time.sleep, args=[9], daemon=True).start()';
    expect(await resultOf(other, threads)).toMatch(/RuntimeError/);
    expect(await once(PROBE, 'r = "well"', { ...asked, loader })).toBe('well');
  });

  it('find the variables, secrets and packages of their lambda', async () => {
    mkdirSync(join(bench.secretsDir, 'values'), { recursive: true });
    mkdirSync(join(bench.secretsDir, 'grants'), { recursive: true });
    writeFileSync(join(bench.secretsDir, 'values/key'), 'hidden', { mode: 0o600 });
    writeFileSync(join(bench.secretsDir, 'grants/probe:key'), '');
    const dir = join(bench.dir, '../code/packages');
    mkdirSync(dir);
    writeFileSync(join(dir, 'brought.py'), 'VALUE = 7\n');
    const source = `
import os, brought
OWN = [os.environ["COLOUR"], open("/run/secrets/key").read(), os.getuid() > 0, os.getcwd(), os.environ["AWS_LAMBDA_FUNCTION_NAME"]]
os.environ["COLOUR"] = "changed"
def handler(event, context):
    stream = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    return [OWN, brought.VALUE, os.environ["COLOUR"], open("/run/secrets/key").read(), stream == context.log_stream_name]
`;
    const asked = { env: { COLOUR: 'red' }, secrets: ['key'], packages: { dir, members: ['brought==1@0'] } };
    const loader = await load(source, asked);
    const own = ['red', 'hidden', true, '/handler', 'probe'];
    expect(await once(source, 0, { ...asked, loader })).toEqual([own, 7, 'changed', 'hidden', true]);
  });

  it('draw numbers of their own, unless their code has chosen a seed, and then those that it would have drawn', async () => {
    const source = `
import random, uuid
random.seed(7)
dice, chance = random.Random(5), random.Random()
def handler(event):
    return [random.random(), dice.random(), chance.random(), str(uuid.uuid4())]
`;
    const sandbox = await bench.sandbox(source);
    const loaded = await sandbox.load();
    const found = JSON.parse((loaded as { body: Buffer }).body.toString()) as { where: string; state: number }[];
    const seeds = Object.fromEntries(found.map(({ where, state }) => [where, state]));
    const fresh = (await resultOf(sandbox)) as unknown[];
    const loader = await load(source, {}, seeds);
    const draws = (await Promise.all([1, 2].map((event) => once(source, event, { loader })))) as unknown[][];
    for (const draw of draws) {
      expect(draw.slice(0, 2)).toEqual(fresh.slice(0, 2));
      expect(draw[2]).not.toBe(fresh[2]);
    }
    expect(draws[0]?.slice(2)).not.toEqual(draws[1]?.slice(2));
    const plain = 'import random\nrandom.random()\ndef handler(event):\n    return random.random()\n';
    const other = await load(plain);
    expect(await once(plain, 0, { loader: other })).not.toBe(await once(plain, 1, { loader: other }));
  });

  it('keep what their code has set for itself: variables, mask, directory, limits, streams', async () => {
    const source = `
import os, resource, signal, sys
os.umask(0o077); os.chdir("/usr")
resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99))
signal.signal(signal.SIGUSR1, lambda *_: None)
sys.setrecursionlimit(777)
def handler(event):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [os.umask(0o077), os.getcwd(), limits, callable(signal.getsignal(signal.SIGUSR1)), sys.getrecursionlimit()]
`;
    const loader = await load(source);
    expect(await once(source, 0, { loader })).toEqual([0o077, '/usr', [99, 99], true, 777]);
  });
});

describe('code is not loaded once for all', () => {
  it.each([
    [
      'a thread',
      'import threading, time\nthreading.Thread(target=time.sleep, args=[99], name="ticker", daemon=True).start()',
      'thread ticker',
    ],
    ['a socket', 'import socket\nS = socket.socketpair()', 'socket'],
    ['an open file', 'F = open("/handler/lambda_func.py")', 'file /handler/lambda_func.py'],
    ['a file', 'open("/tmp/model", "w").close()', 'file /tmp/model'],
    ['a file in /host', 'open("/host/model", "w").close()', 'file /host/model'],
    ['a process', 'import subprocess\nP = subprocess.Popen(["sleep", "99"])', 'process '],
    ['shared memory', 'import mmap\nM = mmap.mmap(-1, 4096)', 'memory shared: '],
    ['a timer', 'import signal\nsignal.setitimer(signal.ITIMER_REAL, 99)', 'timer ITIMER_REAL'],
    ['a handler of its children', 'import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)', 'handler SIGCHLD'],
    ['its directory in /tmp', 'import os\nos.chdir("/tmp")', 'directory /tmp'],
  ])('if it leaves %s behind, which instances of it tell, too', async (_what, source, told) => {
    const code = `${source}\ndef handler(event):\n    return 1\n`;
    expect(await bench.load(code)).toMatchObject({ cause: 'failed', reason: expect.stringContaining(told) });
    const sandbox = await bench.sandbox(code);
    const loaded = await sandbox.load();
    const found = JSON.parse((loaded as { body: Buffer }).body.toString()) as { what: string; where: string }[];
    expect(found.map(({ what, where }) => `${what} ${where}`).join()).toContain(told);
    expect(readdirSync(join(bench.dir, 'import-cache'))).toEqual(['0']);
  });

  it.each([
    ['raises', 'raise OSError("no such device")', /OSError: no such device/],
    ['exits', 'import sys\nsys.exit(3)', /sys.exit\(3\)/],
    ['crashes', 'import ctypes\nctypes.string_at(0)', /it died/],
    ['takes more memory than it may', 'X = b"x" * (400 << 20)', /it ran out of memory/],
    ['has no handler', 'handler = 1', /Handler 'handler' missing/],
  ])('if its import %s', async (_what, source, reason) => {
    const ending = (await bench.load(`def handler(event):\n    return 1\n${source}\n`)) as LoaderEnding;
    expect(ending).toMatchObject({ cause: 'failed', reason: expect.stringMatching(reason) });
    expect(await resultOf(await bench.sandbox('def handler(event):\n    return 1\n'))).toBe(1);
  });
});

describe('a loader', () => {
  it('that is retired makes no more, and ends with the last made from it', async () => {
    const loader = await load(COUNTING);
    const sandbox = await bench.sandbox(COUNTING, 'probe', { loader });
    const [born] = (await resultOf(sandbox, 1)) as [number];
    loader.retire();
    expect(await loader.ended).toEqual({ cause: 'retired' });
    expect(((await once(COUNTING, 2, { loader })) as [number])[0]).not.toBe(born);
    expect(await resultOf(sandbox, 3)).toEqual([born, [1]]);
    await sandbox.destroy();
    await expect.poll(() => readdirSync(join(bench.dir, 'import-cache'))).toEqual(['0']);
  });

  it('that has forked enough is retired', async () => {
    const loader = await load(COUNTING);
    for (let event = 0; event < 20; event += 1) await once(COUNTING, event, { loader });
    const [born] = (await once(COUNTING, 20, {})) as [number];
    expect(((await once(COUNTING, 21, { loader })) as [number])[0]).not.toBe(born);
    expect(await loader.ended).toEqual({ cause: 'retired' });
  });

  it('that dies takes its own with it, whose calls are told so, and no others', async () => {
    const loader = await load(PROBE);
    const [own, other] = [await bench.sandbox(PROBE, 'probe', { loader }), await bench.sandbox(PROBE)];
    const call = ask(own, 'import time; time.sleep(60)');
    expect(await resultOf(other, 'r = 1')).toBe(1);
    const [pid] = pidsIn(markerOf(bench.dir), `zygote-${loaderGroup()}`);
    process.kill(pid as number, 'SIGKILL');
    expect(await call).toEqual({ kind: 'ended', ending: { cause: 'lost', reason: 'its zygote died' } });
    expect(await loader.ended).toEqual({ cause: 'failed', reason: 'it died' });
    expect(await resultOf(other, 'r = 2')).toBe(2);
    expect(await once(PROBE, 'r = 3', { loader })).toBe(3);
  });

  it('gives its sandboxes to its own lambda and version only', async () => {
    const loader = await load(COUNTING);
    expect(await resultOf(await bench.sandbox(PROBE, 'probe', { loader }), 'r = 1')).toBe(1);
    expect(await loader.ended).toEqual({
      cause: 'failed',
      reason: expect.stringContaining('it has loaded other code'),
    });
  });

  it('gives no more than it has ids, and others take over', async () => {
    const many = await startBench({ poolSize: 0 });
    try {
      const loader = (await many.load(COUNTING)) as Loader;
      const sandboxes = [];
      for (let n = 0; n < 65; n += 1) sandboxes.push(await many.sandbox(COUNTING, 'probe', { loader }));
      const born = ((await Promise.all(sandboxes.map((one) => resultOf(one, 1)))) as [number, unknown][]).map(
        ([at]) => at,
      );
      expect(born.filter((at) => at === born[0])).toHaveLength(61);
      expect(new Set(born).size).toBe(5);
      await sandboxes[0]?.destroy();
      expect(await resultOf(await many.sandbox(COUNTING, 'probe', { loader }), 1)).toEqual([born[0], []]);
    } finally {
      await many.close();
    }
  });

  const loaderGroup = () => readdirSync(join(bench.dir, 'import-cache')).filter((name) => name !== '0')[0];
});
