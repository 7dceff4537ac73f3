/** Limits that differ from lambda to lambda, seen from inside. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, type Bench, LIMITS, resultOf, startBench } from './engine-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const TAKE = 'def handler(mb):\n    return len(bytearray(mb << 20)) >> 20\n';
const COUNT_PROCESSES =
  'import os, signal\ndef handler(e):\n    pids = []\n    try:\n        while len(pids) < 200:\n            pid = os.fork()\n' +
  '            if pid == 0:\n                signal.pause()\n            pids.append(pid)\n    except OSError as error:\n' +
  '        return [error.errno, len(pids)]\n    finally:\n        for pid in pids:\n            os.kill(pid, 9)\n            os.waitpid(pid, 0)\n';
const FILL =
  'import os\ndef handler(path):\n    total = 0\n    try:\n        with open(path + "/fill", "wb", 0) as file:\n' +
  '            while total < 400 << 20:\n                total += file.write(bytes(1 << 20))\n' +
  '    except OSError as error:\n        os.unlink(path + "/fill")\n        return [error.strerror, total >> 20]\n';
const EAGAIN = 11;
/** Whole MiB that fit: the file's own block takes a little. */
const SCRATCH = LIMITS.scratch_mb - 1;

/** The file behind a loop device, by a name that no other has; undefined if there is none. */
function imageBehind(device: string): string | undefined {
  try {
    return readFileSync(`/sys/block/${device}/loop/backing_file`, 'utf8');
  } catch {
    return undefined;
  }
}

describe('memory', () => {
  it('may be less than that of the others', async () => {
    const sandbox = await bench.sandbox(TAKE, 'small', { limits: { memory_mb: 40 } });
    expect(await resultOf(sandbox, 10)).toBe(10);
    expect(await ask(sandbox, 60)).toMatchObject({ kind: 'ended', ending: { cause: 'out-of-memory' } });
  });

  it('may be more than that of the others', async () => {
    const sandbox = await bench.sandbox(TAKE, 'large', { limits: { memory_mb: 400 } });
    expect(await resultOf(sandbox, 300)).toBe(300);
    await sandbox.destroy();
  });

  it.each([
    ['a subprocess', 'subprocess.run([sys.executable, "-c", "len(bytearray(300 << 20))"])'],
    ['a forked child', 'os.waitpid(os.fork() or len(bytearray(300 << 20)) * 0 or os._exit(0), 0)'],
    // That it has gone is seen by the end of a pipe.
    [
      'a child that nobody waits for',
      'r, w = os.pipe()\n    os.fork() or (len(bytearray(300 << 20)), os._exit(0))\n    os.close(w)\n    os.read(r, 1)',
    ],
  ])('that was not enough for %s ends the sandbox, though the handler has an answer', async (_who, step) => {
    const source = `import os, subprocess, sys\ndef handler(e):\n    ${step}\n    return "all is well"\n`;
    const sandbox = await bench.sandbox(source, 'parent');
    expect(await ask(sandbox)).toEqual({ kind: 'ended', ending: { cause: 'out-of-memory' } });
    expect(await sandbox.ended).toEqual({ cause: 'out-of-memory' });
    expect((await bench.engine.memory()).has(sandbox.id)).toBe(false);
  });

  it('is what the context tells', async () => {
    const source = 'def handler(event, context):\n    return context.memory_limit_in_mb\n';
    const sandbox = await bench.sandbox(source, 'told', { limits: { memory_mb: 77 } });
    expect(await resultOf(sandbox)).toBe('77');
    await sandbox.destroy();
  });
});

describe('processes', () => {
  it.each([8, 60])('may be limited to %i', async (procs) => {
    const sandbox = await bench.sandbox(COUNT_PROCESSES, 'procs', { limits: { procs } });
    expect(await resultOf(sandbox)).toEqual([EAGAIN, procs - 1]);
    await sandbox.destroy();
  });
});

describe('the CPU share', () => {
  it('may be a tenth of a core', async () => {
    const source =
      'import time\ndef handler(e):\n    end = time.monotonic() + 1\n    while time.monotonic() < end:\n        pass\n    return time.process_time()\n';
    const sandbox = await bench.sandbox(source, 'slow', { limits: { cpu_percent: 10 } });
    expect(await resultOf(sandbox)).toBeLessThan(0.3);
    await sandbox.destroy();
  });
});

describe('/tmp and /dev/shm', () => {
  it.each(['/tmp', '/dev/shm'])('%s is full when its size says so, and nobody is killed for it', async (path) => {
    const sandbox = await bench.sandbox(FILL, 'filler');
    expect(await resultOf(sandbox, path)).toEqual(['No space left on device', 16]);
    await sandbox.destroy();
  });

  it.each([4, 60])('may have %i MiB', async (tmp_mb) => {
    const sandbox = await bench.sandbox(FILL, 'sized', { limits: { tmp_mb, memory_mb: 256 } });
    expect(await resultOf(sandbox, '/tmp')).toEqual(['No space left on device', tmp_mb]);
    expect(await resultOf(sandbox, '/dev/shm')).toEqual(['No space left on device', tmp_mb]);
    await sandbox.destroy();
  });

  it('may be nothing at all', async () => {
    const source =
      'def handler(path):\n    try:\n        open(path + "/x", "w")\n    except OSError as error:\n        return error.strerror\n';
    const sandbox = await bench.sandbox(source, 'none', { limits: { tmp_mb: 0 } });
    expect(await resultOf(sandbox, '/tmp')).toBe('No space left on device');
    expect(await resultOf(sandbox, '/dev/shm')).toBe('No space left on device');
    await sandbox.destroy();
  });

  it('get smaller with the memory', async () => {
    const sandbox = await bench.sandbox(FILL, 'shrunk', { limits: { memory_mb: 40 } });
    expect(await resultOf(sandbox, '/tmp')).toEqual(['No space left on device', 10]);
    await sandbox.destroy();
  });
});

const TALK =
  'import os, subprocess, sys\ndef handler(e):\n    for _ in range(3000):\n        print("x" * 1023)\n    print("y" * 1000, file=sys.stderr)\n' +
  '    said = subprocess.run(["/bin/sh", "-c", "echo again >> /dev/stdout"], stderr=subprocess.PIPE)\n' +
  '    try:\n        while True:\n            os.write(1, b"z" * 5000)\n    except OSError as error:\n        return [error.strerror, said.returncode]\n';

describe('scratch', () => {
  it('is full when its size says so, and can be used again when something is deleted', async () => {
    const sandbox = await bench.sandbox(FILL, 'scratch');
    for (const _round of [1, 2]) expect(await resultOf(sandbox, '/host')).toEqual(['No space left on device', SCRATCH]);
    await sandbox.destroy();
  });

  it.each([8, 200])('may have %i MiB', async (scratch_mb) => {
    const sandbox = await bench.sandbox(FILL, 'scratch', { limits: { scratch_mb } });
    const [why, mb] = (await resultOf(sandbox, '/host')) as [string, number];
    expect(why).toBe('No space left on device');
    expect(mb).toBeGreaterThanOrEqual(scratch_mb - 1);
    expect(mb).toBeLessThanOrEqual(scratch_mb);
    await sandbox.destroy();
  });

  it('is more than the memory, and costs none', async () => {
    const sandbox = await bench.sandbox(FILL, 'scratch', { limits: { scratch_mb: 200, memory_mb: 40 } });
    expect(await resultOf(sandbox, '/host')).toMatchObject(['No space left on device', expect.any(Number)]);
    await sandbox.destroy();
  });

  it('holds only so many files', async () => {
    const source =
      'def handler(e):\n    try:\n        for n in range(100_000):\n            open(f"/host/{n}", "x").close()\n    except OSError as error:\n        return error.strerror\n';
    const sandbox = await bench.sandbox(source, 'many');
    expect(await resultOf(sandbox)).toBe('No space left on device');
    await sandbox.destroy();
  });

  it('is mounted nowhere on the host, and no loop device outlives it', async () => {
    const sandbox = await bench.sandbox('def handler(e):\n    return open("/proc/mounts").read()\n', 'mounts');
    const mounts = await resultOf(sandbox);
    expect(mounts).toMatch(/^\/dev\/loop\d+ \/host ext4 rw,nosuid,nodev,noatime/m);
    const [, device] = /^\/dev\/(loop\d+) /m.exec(mounts as string) as unknown as [string, string];
    const file = imageBehind(device);
    expect(file).toContain(bench.dir);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('/dev/loop');
    await sandbox.destroy();
    await expect.poll(() => imageBehind(device)).not.toBe(file);
  });
});

describe('without loop devices', () => {
  let program: string;
  beforeAll(() => {
    program = mkdtempSync(join(tmpdir(), 'isla-loopless-'));
    cpSync('src/sandbox/sock', join(program, 'sandbox/sock'), { recursive: true });
    cpSync('src/runtime', join(program, 'runtime'), { recursive: true });
    const device = join(program, 'sandbox/sock/spawner/loop_device.py');
    writeFileSync(device, readFileSync(device, 'utf8').replace('/dev/loop-control', '/dev/nothing-like-it'));
  });
  afterAll(() => rmSync(program, { recursive: true }));

  it('scratch is a part of the memory, is full all the same, and the engine says that it is weaker', async () => {
    const loopless = await startBench({ programDir: program });
    try {
      expect(loopless.engine.facts().weaker).toContainEqual(
        expect.stringMatching(/^scratch is memory.*nothing-like-it/),
      );
      const plain = await loopless.sandbox(FILL, 'plain');
      expect(await resultOf(plain, '/host')).toEqual(['No space left on device', LIMITS.memory_mb / 4]);
      const small = await loopless.sandbox(FILL, 'small', { limits: { scratch_mb: 8 } });
      expect(await resultOf(small, '/host')).toEqual(['No space left on device', 8]);
      expect(readdirSync(join(loopless.dir, 'handlers/small/2')).sort()).toEqual(['server_pipe', 'stderr', 'stdout']);
    } finally {
      await loopless.close();
    }
  });
});

describe('output', () => {
  it.each([undefined, 16, 2000])('beyond its limit is dropped, and printing goes on (%s KiB)', async (output_kb) => {
    const sandbox = await bench.sandbox(TALK, 'talk', output_kb === undefined ? {} : { limits: { output_kb } });
    expect(await resultOf(sandbox)).toEqual(['No space left on device', expect.any(Number)]);
    const dir = join(bench.dir, 'handlers/talk', readdirSync(join(bench.dir, 'handlers/talk'))[0] as string);
    const bytes = ['stdout', 'stderr'].map((name) => statSync(join(dir, name)).size);
    const limit = (output_kb ?? LIMITS.output_kb) * 1024;
    expect((bytes[0] as number) + (bytes[1] as number)).toBeLessThanOrEqual(limit);
    expect(bytes[0]).toBeGreaterThan(limit - 8192);
    await sandbox.destroy();
  });

  it('goes to the files that people read, from every process, also when /dev/stdout is opened anew', async () => {
    const source =
      'import os, sys\ndef handler(e):\n    print("one")\n    os.system("echo two; echo three >> /dev/stdout; echo four >&2")\n    open("/dev/stderr", "a").write("five")\n';
    const sandbox = await bench.sandbox(source, 'heard');
    await resultOf(sandbox);
    const dir = join(bench.dir, 'handlers/heard', readdirSync(join(bench.dir, 'handlers/heard'))[0] as string);
    expect(readFileSync(join(dir, 'stdout'), 'utf8')).toBe('one\ntwo\nthree\n');
    expect(readFileSync(join(dir, 'stderr'), 'utf8')).toBe('four\nfive');
    await sandbox.destroy();
  });
});

it('an answer may be larger or smaller than those of the others', async () => {
  const source = 'def handler(kb):\n    return "x" * (kb << 10)\n';
  const large = await bench.sandbox(source, 'verbose', { limits: { response_kb: 2048 } });
  expect(((await resultOf(large, 2000)) as string).length).toBe(2000 << 10);
  const small = await bench.sandbox(source, 'terse', { limits: { response_kb: 1 } });
  const reply = await ask(small, 2);
  expect(JSON.parse((reply as { body: Buffer }).body.toString()).errorType).toBe('Function.ResponseSizeTooLarge');
  await Promise.all([large.destroy(), small.destroy()]);
});

it('the environment has what lambda.json says, and the truth about itself', async () => {
  const source =
    'import os\ndef handler(e):\n    return [os.environ["MODE"], os.environ["AWS_LAMBDA_FUNCTION_NAME"]]\n';
  const sandbox = await bench.sandbox(source, 'envy', { env: { MODE: 'ä test' } });
  expect(await resultOf(sandbox)).toEqual(['ä test', 'envy']);
  await sandbox.destroy();
});

it('a sandbox after one with other limits has its own', async () => {
  const odd = await bench.sandbox(TAKE, 'odd', { limits: { memory_mb: 40, procs: 8, tmp_mb: 1 } });
  const [plain, filler] = [await bench.sandbox(TAKE, 'plain'), await bench.sandbox(FILL, 'plain')];
  expect(await resultOf(plain, 80)).toBe(80);
  expect(await resultOf(filler, '/tmp')).toEqual(['No space left on device', 16]);
  await Promise.all([odd.destroy(), plain.destroy(), filler.destroy()]);
});
