/** Forks of a kernel as the machine sees them: in control groups of their own, which limit each alone and leave nothing behind. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { markerOf } from '../../src/sandbox/worker-marker.ts';
import { eventually } from '../e2e/eventually.ts';
import { groupsOf, pidsIn } from './cgroup-view.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { follow, printed, run, startOn } from './kernel-fixture.ts';
import { copyProgram } from './program-copy.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

/** Of forks, all of them. */
function forkGroups(of = bench): string[] {
  return groupsOf(markerOf(of.dir))
    .filter((name) => /^\d+-\d+$/.test(name))
    .sort();
}

async function noForkGroups(of = bench): Promise<void> {
  await eventually(() => expect(forkGroups(of)).toEqual([]));
}

function pidsOf(group: string): number[] {
  return pidsIn(markerOf(bench.dir), group);
}

/** As many processes as it may; those that are made sleep in groups and sessions of their own. */
const BOMB = [
  'import os, time',
  'made = 0',
  'try:',
  '    while True:',
  '        if os.fork() == 0:',
  '            os.setsid()',
  '            while True:',
  '                try: os.fork()',
  '                except OSError: time.sleep(0.01)',
  '        made += 1',
  'except OSError: pass',
  'print(made, flush=True)',
].join('\n');

describe('a fork of a kernel', () => {
  it('is in groups of its own, and so is all that is started in it later', async () => {
    const first = await startOn(bench);
    await run(first, 'x = 1');
    const fork = await first.fork('second');
    const [group, ...more] = forkGroups();
    expect(more).toEqual([]);
    const own = Number(readFileSync(`/proc/${pidsOf(group!)[0]}/status`, 'utf8').match(/^NSpid:.*\s(\d+)$/m)?.[1]);
    expect(await printed(fork, 'import os\nos.getpid()')).toBe(String(own));
    await run(fork, 'import subprocess\np = subprocess.Popen(["sleep", "600"])');
    expect(pidsOf(group!)).toHaveLength(2);
    await fork.restart();
    expect(await printed(fork, '"x" in globals()')).toBe('False');
    await eventually(() => expect(pidsOf(group!)).toHaveLength(1));
    const pty = await fork.pty({ rows: 24, columns: 80 });
    pty.onData(() => {});
    await eventually(() => expect(pidsOf(group!)).toHaveLength(2));
    pty.close();
    await pty.ended;
    const batch = await follow(fork, { mode: 'batch', clean: '', build: '', exec: 'cat /proc/self/cgroup' });
    expect(batch.stdout).toContain(`/../${group}`);
    const usage = await fork.usage();
    expect(usage.peakBytes).toBeGreaterThan(0);
    expect(usage.oomKilled).toBe(false);
    await fork.destroy();
    expect(forkGroups()).toEqual([]);
    expect(await printed(first, 'x')).toBe('1');
    await first.destroy();
  });

  it('that takes too much memory ends alone, and so does the one that it is a fork of', async () => {
    const first = await startOn(bench);
    const [second, third] = [await first.fork('second'), await first.fork('third')];
    expect((await run(second, 'x = bytearray(1 << 30)')).exitCode).toBe(130);
    expect(await second.ended).toMatchObject({ cause: 'out-of-memory' });
    expect((await second.usage()).peakBytes).toBeGreaterThan(64 << 20);
    expect(await printed(first, '1 + 1')).toBe('2');
    expect((await run(first, 'x = bytearray(1 << 30)')).error?.message).toContain('more memory than it may');
    expect(await first.ended).toMatchObject({ cause: 'out-of-memory' });
    expect(await printed(third, '1 + 1')).toBe('2');
    expect(forkGroups()).toHaveLength(1);
    await third.destroy();
    await noForkGroups();
  });

  it('that makes processes without end takes no place of another one, and goes with all of them', async () => {
    const first = await startOn(bench, { limits: { procs: 20 } });
    const fork = await first.fork('second');
    const [group] = forkGroups();
    expect(Number(await printed(fork, BOMB))).toBeGreaterThan(0);
    expect(await printed(first, 'import subprocess\nsubprocess.run(["true"]).returncode')).toBe('0');
    expect(pidsOf(group!).length).toBeGreaterThan(10);
    expect((await run(fork, 'import os\nos.kill(os.getpid(), 9)')).error?.message).toContain('by one of its own');
    expect(await fork.ended).toMatchObject({ cause: 'signal' });
    expect(pidsOf(group!)).toEqual([]);
    expect(forkGroups()).toEqual([]);
    expect(await printed(first, 'subprocess.run(["true"]).returncode')).toBe('0');
    await first.destroy();
  });

  it('goes on without the one that it is a fork of, and has forks itself', async () => {
    const first = await startOn(bench);
    const second = await first.fork('second');
    await run(first, 'import os\nfor _ in range(12): os.system("setsid sleep 600 &")');
    const own = forkGroups()[0]!.split('-')[0]!;
    expect(pidsOf(own).length).toBeGreaterThan(10);
    await first.destroy();
    // What runs the kernels.
    await eventually(() => expect(pidsOf(own)).toHaveLength(1));
    const third = await second.fork('third');
    await run(second, `${BOMB}\n`);
    await second.destroy();
    expect(forkGroups()).toHaveLength(1);
    expect(await printed(third, 'import subprocess\nsubprocess.run(["true"]).returncode')).toBe('0');
    await third.destroy();
    await noForkGroups();
  });

  it('leaves nothing with its sandbox', async () => {
    const first = await startOn(bench);
    const forks = [await first.fork('second'), await first.fork('third')];
    await Promise.all([first, ...forks].map((kernel) => kernel.destroy()));
    for (const { ended } of [first, ...forks]) expect((await ended).cause).toBe('destroyed');
    await noForkGroups();
  });
});

describe('a kernel that lies about its fork', () => {
  /** Finds the module that is to be changed, as any code can. */
  const FORKING = 'import sys, os\nforking = sys.modules["isla_kernel.forking"]\n';

  it.each([
    ['speaks for it', 'forking.fork = lambda: 0'],
    [
      'ends it at once',
      'real = forking.fork\ndef fork():\n    pid = real()\n    if pid == 0: os._exit(3)\n    return pid\nforking.fork = fork',
    ],
    [
      'has it say something else',
      'real = forking.draw_anew\ndef lie(names):\n    os.write(interpreter._link.fd, b"e\\x00boo")\nforking.draw_anew = lie\nimport gc\ninterpreter = [o for o in gc.get_objects() if type(o).__name__ == "Interpreter"][0]',
    ],
  ])('that %s is refused one, and nobody else suffers', async (_how, code) => {
    const first = await startOn(bench);
    const other = await first.fork('other');
    await run(first, FORKING + code);
    await expect(first.fork('x')).rejects.toMatchObject({ code: expect.stringMatching('cannot-fork|session-missing') });
    expect(await printed(other, '1 + 1')).toBe('2');
    await eventually(() => expect(forkGroups()).toHaveLength(1));
    await other.destroy();
    await first.destroy();
    await noForkGroups();
  });

  it('whose fork does not say anything is refused one in the end', async () => {
    const first = await startOn(bench);
    await run(first, `${FORKING}forking.draw_anew = lambda names: __import__("time").sleep(600)`);
    await expect(first.fork('x')).rejects.toMatchObject({
      code: 'cannot-fork',
      message: expect.stringContaining('10 s'),
    });
    await first.destroy();
    await noForkGroups();
  });
});

it('what runs kernels is not believed when it brings a process that is no fork', async () => {
  const program = copyProgram();
  program.falsify('runtime/kernel/groups.py', 'pidfd = os.pidfd_open(pid)', 'pidfd = os.pidfd_open(1)');
  const falsified = await startBench({ programDir: program.dir });
  try {
    const first = await startOn(falsified);
    await expect(first.fork('x')).rejects.toMatchObject({
      code: 'sandbox-failed',
      message: expect.stringContaining('no process of this sandbox'),
    });
    expect(await printed(first, '1 + 1')).toBe('2');
    await first.destroy();
    await noForkGroups(falsified);
  } finally {
    await falsified.close();
    program.remove();
  }
});
