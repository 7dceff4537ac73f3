/** Terminals beside a kernel, in its sandbox. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel, Pty } from '../../src/session/kernel.ts';
import { type Bench, startBench } from './engine-fixture.ts';
import { run, startOn } from './kernel-fixture.ts';

let bench: Bench;
let kernel: Kernel;
beforeAll(async () => {
  bench = await startBench();
  kernel = await startOn(bench, { limits: { procs: 64 } });
});
afterAll(async () => {
  await kernel.destroy();
  await bench.close();
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what terminals speak in
const PASTE = /\x1b\[\?2004[hl]\r?/g;

/** What a terminal has shown so far, and a promise of what it is to show. */
class Screen {
  readonly pty: Pty;
  #shown = '';
  #waiting: (() => void) | undefined;

  constructor(pty: Pty) {
    this.pty = pty;
    pty.onData((bytes) => {
      // Without what switches bracketed paste, which shells do around each line.
      this.#shown = `${this.#shown}${bytes}`.replaceAll(PASTE, '');
      this.#waiting?.();
    });
  }

  type(text: string): void {
    this.pty.write(Buffer.from(text));
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#shown);
      if (found !== null) return found;
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}

const open = async (rows = 24, columns = 80) => new Screen(await kernel.pty({ rows, columns }));

describe('a terminal', () => {
  it('is one, with a shell in the working directory', async () => {
    const screen = await open();
    screen.type('tty; pwd; echo $((6*7)); [ -t 0 ] && [ -t 1 ] && echo both\n');
    await screen.until(/\n\/dev\/pts\/\d+\r\n\/home\/work\r\n42\r\nboth\r\n/);
    screen.type('exit 3\n');
    expect(await screen.pty.ended).toBe(3);
  });

  it('has the size that it was given last', async () => {
    const screen = await open(40, 132);
    screen.type('stty size\n');
    await screen.until(/\n40 132\r\n/);
    screen.pty.resize({ rows: 5, columns: 9 });
    screen.type('stty size\n');
    await screen.until(/\n5 9\r\n/);
    screen.pty.close();
    expect(await screen.pty.ended).toBe(129);
  });

  it('passes control characters on: ctrl-C ends what runs there, and not the shell', async () => {
    const screen = await open();
    screen.type('echo "on"; sleep 600; echo "never"\n');
    await screen.until(/\non\r\n/);
    screen.type('\x03');
    screen.type('echo $?; exit\n');
    await screen.until(/\n130\r\n/);
    expect(await screen.pty.ended).toBe(0);
  });

  it('goes on while a cell runs, and shares its files', async () => {
    const running = run(kernel, 'import time\nwhile True: time.sleep(0.01)');
    const screen = await open();
    screen.type('echo hello > from-terminal; echo "written"\n');
    await screen.until(/\nwritten\r\n/);
    kernel.interrupt();
    await running;
    expect(await run(kernel, 'print(open("from-terminal").read())')).toMatchObject({ stdout: 'hello\n\n' });
    screen.pty.close();
    await screen.pty.ended;
  });

  it('is one of many, of which the sandbox sees its own alone', async () => {
    const screens = await Promise.all(Array.from({ length: 10 }, () => open()));
    for (const [index, screen] of screens.entries()) screen.type(`echo "number $((${index}+100))"\n`);
    await Promise.all(screens.map((screen, index) => screen.until(new RegExp(`\\nnumber ${index + 100}\\r\\n`))));
    const other = await startOn(bench);
    expect(await run(other, 'import os; os.listdir("/dev/pts")')).toMatchObject({ stdout: "['ptmx']\n" });
    await other.destroy();
    for (const screen of screens) screen.pty.close();
    expect(await Promise.all(screens.map((screen) => screen.pty.ended))).toEqual(screens.map(() => 129));
  });

  it('that prints without end is read as fast as it is taken, and hangs up at once', async () => {
    const screen = await open();
    screen.type('yes 0123456789\n');
    await screen.until(/(0123456789\r\n){1000}/);
    screen.pty.close();
    expect(await screen.pty.ended).toBe(129);
    expect(await run(kernel, '1')).toMatchObject({ stdout: '1\n' });
  });

  it('ends with its kernel', async () => {
    const short = await startOn(bench);
    const pty = await short.pty({ rows: 24, columns: 80 });
    await short.destroy();
    expect(await pty.ended).toBe(130);
  });
});
