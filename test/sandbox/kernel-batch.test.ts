/** Batches: three stages, each of which tells its end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel, KernelEvent } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { follow, languagesOn, run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench({ limitsMax: { memory_mb: 512 } });
  kernel = await startOn(bench, { limits: { memory_mb: 256 } });
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});

const STAGES = { clean: '', build: '', exec: '' };

async function batch(
  on: Kernel,
  stages: Partial<typeof STAGES>,
  rest: { answer?: (string | undefined)[]; hear?: (event: KernelEvent) => void } = {},
) {
  const outcome = await follow(on, { mode: 'batch', ...STAGES, ...stages }, rest);
  const codes = outcome.events.filter(({ kind }) => kind === 'stage' || kind === 'finished');
  const logged = outcome.others.map(([, data]) => data).join('');
  return { ...outcome, codes: codes.map((event) => ('exitCode' in event ? event.exitCode : undefined)), logged };
}

describe('a batch', () => {
  it('tells the end of every stage, of those that are skipped too', async () => {
    const { events } = await batch(kernel, {});
    expect(events).toEqual([
      { kind: 'stage', stage: 'clean-finished', exitCode: 0 },
      { kind: 'stage', stage: 'build-finished', exitCode: 0 },
      { kind: 'finished', exitCode: 0 },
    ]);
  });

  it('runs shell commands in the working directory, in order', async () => {
    const stages = {
      clean: 'pwd; echo c >> log; false',
      build: 'echo b >> log',
      exec: 'cat log; echo err >&2; exit 4',
    };
    expect(await batch(kernel, stages)).toMatchObject({
      stdout: '/home/work\nc\nb\n',
      stderr: 'err\n',
      codes: [1, 0, 4],
    });
  });

  it('runs nothing when the build has failed', async () => {
    const outcome = await batch(kernel, { build: 'exit 3', exec: 'echo ran' });
    expect(outcome).toMatchObject({ stdout: '', codes: [0, 3, 127] });
    expect(outcome.logged).toContain('not run');
  });

  it.each(['echo \0', 'echo \ud800'])('that no program can be given (%j) ends by itself', async (exec) => {
    const outcome = await batch(kernel, { exec });
    expect(outcome).toMatchObject({ stdout: '', codes: [0, 0, 127] });
    expect(outcome.logged).toContain('can not be started');
    expect((await run(kernel, '"it is there"')).stdout).toContain('it is there');
  });

  it('asks for input, in any stage', async () => {
    const stages = { build: 'read a; echo "a=$a"', exec: 'read b; echo "b=$b"' };
    expect(await batch(kernel, stages, { answer: ['1', '2'] })).toMatchObject({
      stdout: 'a=1\nb=2\n',
      codes: [0, 0, 0],
    });
  });

  it('is interrupted, and begins nothing after that', async () => {
    const hear = (event: KernelEvent) => event.kind === 'output' && kernel.interrupt();
    expect(
      await batch(kernel, { clean: 'echo on; sleep 600', build: 'echo no', exec: 'echo no' }, { hear }),
    ).toMatchObject({
      stdout: 'on\n',
      codes: [130, 130, 127],
    });
    expect(await batch(kernel, { exec: 'echo on; sleep 600' }, { hear })).toMatchObject({
      stdout: 'on\n',
      codes: [0, 0, 130],
    });
  });

  it('reads what is typed up to its end, and the next stage reads anew', async () => {
    const answer = ['a', 'b', undefined];
    expect(await batch(kernel, { exec: 'cat; echo over' }, { answer })).toMatchObject({ stdout: 'a\nb\nover\n' });
    const exec = 'while read line; do echo "$line"; done; read more || exit 3';
    expect(await batch(kernel, { exec }, { answer })).toMatchObject({ stdout: 'a\nb\n', codes: [0, 0, 3] });
    const staged = await batch(
      kernel,
      { build: 'cat', exec: 'read more; echo $more' },
      { answer: ['a', undefined, 'b'] },
    );
    expect(staged).toMatchObject({ stdout: 'a\nb\n', codes: [0, 0, 0] });
  });

  it('leaves the interpreter as it was', async () => {
    await run(kernel, 'kept = 1');
    await batch(kernel, { exec: 'exit 1' });
    expect(await run(kernel, 'kept')).toMatchObject({ stdout: '1\n' });
  });
});

describe('what a language does by itself', () => {
  it('is main.py for Python, with nothing to be built', async () => {
    expect(await batch(kernel, { clean: '*', build: '*', exec: '*' })).toMatchObject({ codes: [0, 0, 127] });
    await kernel.files.write('main.py', Buffer.from('print(input("name? ")); raise SystemExit(5)'));
    const outcome = await batch(kernel, { build: '*', exec: '*' }, { answer: ['Alice'] });
    expect(outcome).toMatchObject({ stdout: 'name? Alice\n', codes: [0, 0, 5] });
    expect(outcome.logged).toMatch(/^exec: \S+python3 main\.py\n$/);
  });

  it('is compiling every source for C, and stops at the first that fails', async () => {
    if (languagesOn(bench).idOf('c') === undefined) return;
    const own = await startOn(bench, { language: 'c', limits: { memory_mb: 256, procs: 64 } });
    expect(await batch(own, { build: '*', exec: '*' })).toMatchObject({ codes: [0, 127, 127] });
    await own.files.write(
      'main.c',
      Buffer.from('#include <stdio.h>\nint f(void); int main(void) { printf("%d\\n", f()); return 5; }'),
    );
    await own.files.write('sub/f.c', Buffer.from('int f(void) { return 42; }'));
    const outcome = await batch(own, { clean: '*', build: '*', exec: '*' });
    expect(outcome).toMatchObject({ stdout: '42\n', codes: [0, 0, 5] });
    expect(outcome.logged).toMatch(/gcc -c main\.c.*gcc -c sub\/f\.c.*exec: \.\/main/s);
    await own.files.write('a.c', Buffer.from('broken'));
    const broken = await batch(own, { build: '*', exec: '*' });
    expect(broken).toMatchObject({ codes: [0, 1, 127], stderr: expect.stringContaining('a.c:1') });
    expect(broken.logged).not.toContain('main.c');
    await own.destroy();
  });
});
