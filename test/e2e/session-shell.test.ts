/** The shell of sessions, typed into on a terminal. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment, run, runAdmin } from './admin.ts';
import { startGateway } from './gateway.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
let home: string;

beforeAll(async () => {
  await startGateway(cluster());
  home = join(cluster().dir, '..', 'home');
  mkdirSync(home);
});

const ENTER = '\r';
const TAB = '\t';
const CTRL_C = '\x03';
const CTRL_D = '\x04';
/** Seen and typed, in turn. What is typed is echoed, and must not be taken for what comes of it. */
type Steps = [see: string, type: string][];

function typed(steps: Steps, args: string[] = []): Promise<{ status: number; screen: string }> {
  return typedInto(['session', 'shell', ...args], steps);
}

async function typedInto(command: string[], steps: Steps): Promise<{ status: number; screen: string }> {
  const env = cleanEnvironment({ ISLA_CLUSTER: cluster().dir, HOME: home, TERM: 'xterm', XDG_STATE_HOME: '' });
  const program = [resolve(import.meta.dirname, 'type-and-see.py'), JSON.stringify(steps), ADMIN, ...command];
  const { status, stdout, stderr } = await run('python3', program, { cwd: home, env, timeoutMs: 90_000 });
  if (status !== 0) throw new Error(`${status}: ${stdout}${stderr}`);
  return JSON.parse(stdout);
}

async function sessionNames(): Promise<string> {
  return (await runAdmin(['session', 'ls'], { env: cleanEnvironment({ ISLA_CLUSTER: cluster().dir }) })).stdout;
}

describe('a shell', () => {
  test('runs cells of several lines, keeps state, completes, and remembers what was typed', async () => {
    const { status, screen } = await typed([
      ['>>> ', `def double(n):${ENTER}`],
      ['... ', `${TAB}return n * 2${ENTER}`],
      ['... ', ENTER],
      ['>>> ', `double(${ENTER}`],
      ['... ', `  21)${ENTER}`],
      ['42', ''],
      ['>>> ', `words = 'a b'${ENTER}`],
      ['>>> ', `words.spli${TAB}`],
      ['words.split', TAB],
      ['splitlines', `()${ENTER}`],
      ["['a', 'b']", ''],
      ['>>> ', CTRL_D],
    ]);
    expect(status).toBe(0);
    expect(screen).toMatch(/^python, session s-[0-9a-f]{16}; ctrl-D leaves\n/);
    expect(await sessionNames()).toBe('there are no sessions\n');
    expect(screen).toMatch(/\nsession s-[0-9a-f]{16} is gone\n$/);
    const again = await typed([
      ['>>> ', '\x1b[A'],
      ['words.split()', '\x1b[A'],
      ["words = 'a b'", ENTER],
      ['>>> ', `exit()${ENTER}`],
    ]);
    expect(again.screen).toMatch(/\nsession s-[0-9a-f]{16} is gone\n$/);
    expect(again.status).toBe(0);
    expect(readFileSync(join(home, '.local/state/isla/history-python'), 'utf8')).toContain('double(\n');
  });

  test('shows output while it comes, and ctrl-C interrupts what runs and drops what is typed', async () => {
    const { screen } = await typed([
      ['>>> ', `import time${ENTER}`],
      ['>>> ', `print('be' + 'gun'); time.sleep(600)${ENTER}`],
      ['begun', CTRL_C],
      ['KeyboardInterrupt', ''],
      ['>>> ', `never${CTRL_C}`],
      ['^C', ''],
      ['>>> ', CTRL_C],
      ['[ctrl-D leaves the shell]', ''],
      ['>>> ', `time.time() > 0${ENTER}`],
      ['True', CTRL_D],
    ]);
    expect(screen).not.toContain('NameError');
  });

  test('gives input where it is asked for, and shows no password', async () => {
    const { screen } = await typed([
      ['>>> ', `'Hello, ' + input('Na' 'me: ')${ENTER}`],
      ['Name: ', `Alixe\x7f\x7fce${ENTER}`],
      ['Hello, Alice', ''],
      ['>>> ', `import getpass; len(getpass.getpass('Sec' 'ret: '))${ENTER}`],
      ['Secret: ', `swordfish${ENTER}`],
      ['9', ''],
      ['>>> ', `input('aga' 'in: ')${ENTER}`],
      ['again: ', CTRL_C],
      ['KeyboardInterrupt', ''],
      ['>>> ', `input('the ' 'last: ')${ENTER}`],
      ['the last: ', CTRL_D],
      ['EOFError', ''],
      ['>>> ', `input('one ' 'more: ')${ENTER}`],
      ['one more: ', `yes${ENTER}`],
      ["'yes'", ''],
      ['>>> ', CTRL_D],
    ]);
    expect(screen).not.toContain('swordfish');
  });

  test('takes a pasted function for one cell, and runs what was typed ahead', async () => {
    const paste = 'def f():\r\n\ta = 1\r\n\r\n\treturn a\r\n';
    await typed([
      ['>>> ', `\x1b[200~${paste}\x1b[201~${ENTER}`],
      ['>>> ', `print(f() + 1)${ENTER}print(f() + 40 + 1)${ENTER}`],
      ['2', ''],
      ['42', ''],
      ['>>> ', CTRL_D],
    ]);
  });

  test('says what is displayed, and keeps it if that is wanted', async () => {
    const show = "type('P', (), {'_repr_png_': lambda self: b'x' * 12345, '__repr__': lambda self: '<a picture>'})()";
    const { screen } = await typed(
      [
        ['>>> ', `${show}${ENTER}`],
        ['12 KB', ''],
        ['>>> ', CTRL_D],
      ],
      ['--save-media=media'],
    );
    expect(screen).toContain('[image/png, 12 KB: ');
    expect(readdirSync(join(home, 'media'))).toEqual(['1.png']);
    expect(readFileSync(join(home, 'media/1.png'))).toEqual(Buffer.alloc(12_345, 'x'));
  });

  test('of another language ends cells as that has them', async () => {
    await typed(
      [
        ['nodejs> ', `const a = [1, 2].map((x) => {${ENTER}`],
        ['... ', `  return x * 3;${ENTER}`],
        ['... ', `});${ENTER}`],
        ['nodejs> ', `a[0] + a[1]${ENTER}`],
        ['9', ''],
        ['nodejs> ', CTRL_D],
      ],
      ['--language=nodejs'],
    );
    await typed(
      [
        ['bash> ', `cd /tmp; if true; then${ENTER}`],
        ['... ', `echo yes; fi${ENTER}`],
        ['yes', ''],
        ['bash> ', `pwd${ENTER}`],
        ['/tmp', ''],
        ['bash> ', CTRL_D],
      ],
      ['--language=bash'],
    );
  });

  test('tells when its session is gone, and leaves', async () => {
    const env = cleanEnvironment({ ISLA_CLUSTER: cluster().dir });
    await runAdmin(['session', 'start', 'doomed'], { env });
    // Cells that are typed ahead: the gateway may hear of the end a little later than the shell.
    const { screen } = await typed(
      [['>>> ', `import os, signal; os.kill(os.getpid(), signal.SIGKILL)${ENTER}${`1${ENTER}`.repeat(50)}`]],
      ['doomed'],
    );
    expect(screen).toMatch(/\[Session doomed has ended .*\]\n(.*\n)*session doomed is gone\n/);
  });
});

describe('a program that is typed into', () => {
  test('reads lines as they come, and their end', async () => {
    const code = [
      'import sys',
      "print('first:', input('who? '))",
      "print('rest:', [line.strip() for line in sys.stdin])",
      'sys.exit(len(sys.stdin.read()) + 5)',
    ];
    writeFileSync(join(home, 'reads.py'), `${code.join('\n')}\n`);
    const { status, screen } = await typedInto(
      ['run', 'reads.py'],
      [
        ['who? ', 'Ann\n'],
        ['first: Ann', 'a\nb\n'],
        ['b', CTRL_D],
        ["rest: ['a', 'b']", ''],
      ],
    );
    expect({ status, screen }).toMatchObject({ status: 5 });
    const echo = '#include <stdio.h>\nint main(void) { int c, n = 0; while ((c = getchar()) != EOF) n++; return n; }\n';
    writeFileSync(join(home, 'count.c'), echo);
    const counted = await typedInto(
      ['run', 'count.c'],
      [
        ['', '12345\n'],
        ['12345', CTRL_D],
      ],
    );
    expect(counted.status).toBe(6);
    expect(await sessionNames()).toBe('there are no sessions\n');
  });
});
