/** bash as a kernel: a shell that goes on, whatever a cell does to it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench();
  kernel = await startOn(bench, { language: 'bash' });
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});

const completed = async (code: string) => (await kernel.complete({ code, cursor: code.length })).completions;

describe('a shell', () => {
  it('keeps its variables, functions, aliases and directory', async () => {
    expect(await run(kernel, 'x=5; f() { echo "f $x"; }; alias g="echo alias"; mkdir -p sub; cd sub')).toMatchObject({
      exitCode: 0,
    });
    expect(await run(kernel, 'f; g; pwd')).toMatchObject({ stdout: 'f 5\nalias\n/home/work/sub\n', stderr: '' });
    await run(kernel, 'cd');
  });

  it('tells how each cell has ended, to the next one too', async () => {
    expect(await run(kernel, 'echo a; false')).toMatchObject({ stdout: 'a\n', exitCode: 1 });
    expect(await run(kernel, 'echo $?')).toMatchObject({ stdout: '1\n', exitCode: 0 });
    expect(await run(kernel, 'no-such-program')).toMatchObject({
      exitCode: 127,
      stderr: expect.stringContaining('command not found'),
    });
  });

  it('survives exit, a syntax error and an unset variable, with its state', async () => {
    await run(kernel, 'kept=yes');
    expect(await run(kernel, 'echo before; exit 7; echo after')).toMatchObject({ stdout: 'before\n', exitCode: 7 });
    expect(await run(kernel, 'f() { exit 8; }; f; echo after')).toMatchObject({ stdout: '', exitCode: 8 });
    expect(await run(kernel, '(exit 3); echo "sub $?"; x=$(exit 4); echo "$?"')).toMatchObject({
      stdout: 'sub 3\n4\n',
    });
    expect((await run(kernel, 'if true; then')).exitCode).toBe(2);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
    expect(await run(kernel, 'echo ${unset_one:?missing}; echo after')).toMatchObject({ stdout: '', exitCode: 1 });
    expect(await run(kernel, 'echo $kept')).toMatchObject({ stdout: 'yes\n' });
  });

  it('takes a cell as it is written', async () => {
    const code = "cat <<'EOT'\nit's \"$x\" \\ `y` !!\nEOT\n# a comment\necho 'über'; printf '%s\\n' \"two\nlines\"";
    expect(await run(kernel, code)).toMatchObject({
      stdout: 'it\'s "$x" \\ `y` !!\nüber\ntwo\nlines\n',
      stderr: '',
      exitCode: 0,
    });
  });

  it('hands lines to whoever reads, and keeps those that nobody waits for', async () => {
    expect(await run(kernel, 'read a; head -n 1; echo "a=$a"', { answer: ['one', 'two'] })).toMatchObject({
      stdout: 'two\na=one\n',
    });
    // Its input is that of all cells: one who is not given a line is interrupted.
    expect(await run(kernel, 'echo on; cat; echo after', { answer: ['one', undefined] })).toMatchObject({
      stdout: 'on\none\n',
    });
    kernel.input('ahead');
    expect(await run(kernel, 'read b; echo $b')).toMatchObject({ stdout: 'ahead\n' });
  });

  it.each([
    ['a program, and what was to follow', 'echo on; sleep 600; echo after'],
    ['a loop of its own', 'echo on; while :; do :; done'],
    ['a loop of programs', 'echo on; while true; do sleep 0.01; done'],
    ['a pipe', 'echo on; yes | cat >/dev/null'],
  ])('is interrupted in %s', async (_name, code) => {
    const outcome = await run(kernel, code, { hear: (event) => event.kind === 'output' && kernel.interrupt() });
    expect(outcome).toMatchObject({ stdout: 'on\n', exitCode: 130 });
    expect(await run(kernel, 'echo $kept')).toMatchObject({ stdout: 'yes\n' });
  });

  it('is interrupted before it has begun', async () => {
    const fresh = await startOn(bench, { language: 'bash' });
    for (let cell = 0; cell < 10; cell += 1) {
      const ran = run(fresh, 'while true; do :; done');
      fresh.interrupt();
      expect((await ran).exitCode).toBe(130);
    }
    await fresh.destroy();
  });

  it('goes on while jobs of it run, and hears of them', async () => {
    await run(kernel, 'mkfifo done 2>/dev/null; (read line < done; echo "job $line") & :');
    expect(await run(kernel, 'echo 42 > done; wait; echo cell')).toMatchObject({ stdout: 'job 42\ncell\n' });
  });

  it('completes commands, variables and files', async () => {
    await run(kernel, 'my_variable=1; my_function() { :; }; touch my_file.txt');
    expect(await completed('my_f')).toEqual(['my_file.txt', 'my_function']);
    expect(await completed('echo $my_v')).toEqual(['my_variable']);
    expect(await completed('cat my_')).toEqual(['my_file.txt']);
  });

  it('that a cell ends for good ends its session, and says so', async () => {
    const own = await startOn(bench, { language: 'bash' });
    expect(await run(own, 'exec sh -c "exit 9"')).toMatchObject({ exitCode: 130 });
    expect(await own.ended).toMatchObject({ cause: 'exit', reason: expect.stringContaining('status 9') });
  });
});
