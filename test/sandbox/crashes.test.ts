import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { ask, type Bench, resultOf, startBench } from './engine-fixture.ts';
import { isAlive } from './hostile-fixture.ts';

const SLEEPER = 'import time\ndef handler(e):\n    time.sleep(60 if e else 0)\n    return "awake"\n';

let bench: Bench;
let marker: string;
beforeEach(async () => {
  bench = await startBench();
  marker = markerOf(bench.dir);
});
afterEach(async () => {
  await bench.close();
  expect(cgroupDirs(marker)).toEqual([]);
});

describe('after SIGKILL', () => {
  it.each([false, true])(
    'of the spawner (instances paused: %s) callers are answered and new sandboxes work',
    async (paused) => {
      const [busy, idle] = [await bench.sandbox(SLEEPER), await bench.sandbox(SLEEPER)];
      await resultOf(idle, false);
      if (paused) await idle.pause();
      const inFlight = ask(busy, true);
      const pids = processesOf(marker);
      process.kill(parentOf(zygotePid(marker)), 'SIGKILL');
      expect(await inFlight).toEqual({ kind: 'ended', ending: { cause: 'lost', reason: 'the spawner died' } });
      expect(await idle.ended).toMatchObject({ cause: 'lost' });
      expect(await resultOf(await bench.sandbox(SLEEPER), false)).toBe('awake');
      expect(pids.filter(isAlive)).toEqual([]);
    },
  );

  it.each([false, true])(
    'of the zygote (instances paused: %s) callers are answered and new sandboxes work',
    async (paused) => {
      const [busy, idle] = [await bench.sandbox(SLEEPER), await bench.sandbox(SLEEPER)];
      await resultOf(idle, false);
      if (paused) await idle.pause();
      const inFlight = ask(busy, true);
      process.kill(zygotePid(marker), 'SIGKILL');
      expect(await inFlight).toMatchObject({ kind: 'ended', ending: { cause: 'lost', reason: 'its zygote died' } });
      expect(await idle.ended).toMatchObject({ cause: 'lost' });
      // One that waited under the dead zygote may still be handed out; it says that nothing has begun.
      let reply = await ask(await bench.sandbox(SLEEPER), false);
      while (reply.kind === 'ended') {
        expect(reply.ending.cause).toBe('not-started');
        reply = await ask(await bench.sandbox(SLEEPER), false);
      }
      expect(reply.kind).toBe('result');
    },
  );

  it('of the spawner it says that it is not ready, until it is again, though nobody calls', async () => {
    expect(bench.engine.ready()).toBe(true);
    const idle = await bench.sandbox(SLEEPER);
    process.kill(parentOf(zygotePid(marker)), 'SIGKILL');
    await idle.ended;
    expect(bench.engine.ready()).toBe(false);
    await expect.poll(() => bench.engine.ready(), { timeout: 20_000 }).toBe(true);
    expect(await resultOf(await bench.sandbox(SLEEPER), false)).toBe('awake');
  });

  it('of an instance its caller is told by which signal, and nothing else suffers', async () => {
    const [busy, other] = [await bench.sandbox(SLEEPER), await bench.sandbox(SLEEPER)];
    await resultOf(other, false);
    const inFlight = ask(busy, true);
    process.kill(pidsIn(marker, busy.id)[0] as number, 'SIGKILL');
    expect(await inFlight).toEqual({ kind: 'ended', ending: { cause: 'signal', signal: 'SIGKILL' } });
    expect(await resultOf(other, false)).toBe('awake');
  });
});

describe('destroying', () => {
  it('ends every process of a sandbox, whatever it did to hide, paused or not', async () => {
    const source =
      'import os, time\ndef handler(e):\n    for _ in range(5):\n        if os.fork() == 0:\n            os.setsid()\n' +
      '            if os.fork() == 0:\n                time.sleep(600)\n            os._exit(0)\n    return "hidden"\n';
    for (const paused of [false, true]) {
      const sandbox = await bench.sandbox(source);
      await resultOf(sandbox);
      const pids = pidsIn(marker, sandbox.id);
      expect(pids.length).toBeGreaterThan(5);
      if (paused) await sandbox.pause();
      await sandbox.destroy();
      expect(pids.filter(isAlive)).toEqual([]);
    }
  });

  it('removes a scratch directory that no path-based delete can: 1,500 levels of long names, modes of 000', async () => {
    const source =
      'import os\ndef handler(e):\n    os.chdir("/host")\n    for i in range(1500):\n        os.mkdir("d" * 100)\n        os.chdir("d" * 100)\n' +
      '    open("deep", "w").write("x")\n    os.chdir("/host")\n    os.mkdir("shut")\n    open("shut/in", "w")\n    os.chmod("shut", 0)\n' +
      '    os.symlink("/etc", "link")\n    return "made"\n';
    const sandbox = await bench.sandbox(source, 'deep');
    expect(await resultOf(sandbox)).toBe('made');
    await sandbox.destroy();
    expect(readdirSync(join(bench.dir, 'handlers'))).not.toContain('deep');
    expect(existsSync('/etc/passwd')).toBe(true);
  });
});

describe('the posture check', () => {
  it('destroys a child that kept a right, and names what it found', async () => {
    // Nothing in the house makes such a child, so the check is shown one that is wrong: this very process.
    const { execFileSync } = await import('node:child_process');
    const script =
      'import sys; sys.path.insert(0, sys.argv[1])\nfrom spawner import posture\n' +
      'try:\n    posture.check(int(sys.argv[2]), 0, posture.namespaces_of(int(sys.argv[2])), "", {"/"}, 0)\n' +
      'except posture.PostureError as error:\n    print(error)\n';
    const said = execFileSync('/usr/bin/python3', ['-B', '-c', script, 'src/sandbox/sock', String(process.pid)], {
      encoding: 'utf8',
    });
    expect(said).toMatch(/^Cap(Prm|Eff|Bnd) is \d+ instead of 0|^uids is/);
  });
});

function cgroupDirs(of: string): string[] {
  const points = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => `/sys/fs/cgroup/${name}`)];
  return points.map((point) => `${point}/isla/${of}`).filter((path) => existsSync(path));
}

function pidsIn(of: string, name: string): number[] {
  const [dir] = cgroupDirs(of);
  return readFileSync(`${dir}/${name}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number);
}

function zygotePid(of: string): number {
  return pidsIn(of, 'zygote-0')[0] as number;
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function processesOf(of: string): number[] {
  const [dir] = cgroupDirs(of);
  const names = readdirSync(dir as string, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return names.flatMap((entry) => pidsIn(of, entry.name));
}
