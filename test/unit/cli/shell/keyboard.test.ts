import { PassThrough, Writable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Keyboard } from '../../../../src/cli/shell/keyboard.ts';

const open: Keyboard[] = [];
afterEach(() => {
  for (const keyboard of open.splice(0)) keyboard.close();
});

function terminal(history: string[] = []) {
  const stdin = Object.assign(new PassThrough(), { setRawMode: vi.fn() });
  let shown = '';
  const stdout = new Writable({
    write: (chunk, _, done) => {
      shown += String(chunk);
      done();
    },
  });
  const onInterrupt = vi.fn();
  const onQuit = vi.fn();
  const complete = vi.fn(async (line: string) => ({ words: [`${line}nd`], replaced: line }));
  const keyboard = new Keyboard({ stdin, stdout, history, complete, onInterrupt, onQuit });
  open.push(keyboard);
  return { keyboard, stdin, onInterrupt, onQuit, complete, shown: () => shown };
}

/** What was written arrives in a later turn. */
const arrived = () => new Promise((done) => setImmediate(done));

describe('a keyboard', () => {
  it('hands out one line at a time, however many come at once', async () => {
    const { keyboard, stdin, shown } = terminal();
    const first = keyboard.line('1> ');
    stdin.write('a = 1\rb = 2\rc');
    expect(await first).toEqual({ kind: 'line', text: 'a = 1', pasted: false });
    expect(shown()).not.toContain('b = 2');
    expect(await keyboard.line('2> ')).toMatchObject({ text: 'b = 2' });
    const third = keyboard.line('3> ');
    stdin.write('d\r');
    expect(await third).toMatchObject({ text: 'cd' });
    expect(keyboard.history).toEqual(['cd', 'b = 2', 'a = 1']);
  });

  it('keeps what is typed ahead, unless ctrl-C throws it away', async () => {
    const { keyboard, stdin, onInterrupt, onQuit } = terminal();
    stdin.write('old\rju');
    await arrived();
    stdin.write('nk\x03new\r');
    await arrived();
    expect(onInterrupt).toHaveBeenCalledTimes(1);
    expect(onQuit).not.toHaveBeenCalled();
    expect(await keyboard.line('> ')).toMatchObject({ text: 'new' });
    stdin.write('\x1c');
    await arrived();
    expect(onQuit).toHaveBeenCalledTimes(1);
  });

  it('tells ctrl-C and ctrl-D at a prompt', async () => {
    const { keyboard, stdin } = terminal();
    const typed = keyboard.line('> ');
    stdin.write('abc\x03');
    expect(await typed).toEqual({ kind: 'interrupt', hadText: true });
    const empty = keyboard.line('> ');
    stdin.write('\x03');
    expect(await empty).toEqual({ kind: 'interrupt', hadText: false });
    const end = keyboard.line('> ');
    stdin.write('x\x04\x7f\x04');
    expect(await end).toEqual({ kind: 'end' });
  });

  it('takes pasted lines for pasted, with tabs as spaces', async () => {
    const { keyboard, stdin, complete } = terminal();
    const first = keyboard.line('> ');
    stdin.write('\x1b[200~def f():\r\tpass\r\rf()\x1b[201~\r');
    expect(await first).toEqual({ kind: 'line', text: 'def f():', pasted: true });
    expect(await keyboard.line('. ')).toEqual({ kind: 'line', text: '    pass', pasted: true });
    expect(await keyboard.line('. ')).toEqual({ kind: 'line', text: '', pasted: true });
    expect(await keyboard.line('. ')).toEqual({ kind: 'line', text: 'f()', pasted: false });
    expect(complete).not.toHaveBeenCalled();
  });

  it('moves through the line and its history', async () => {
    const { keyboard, stdin } = terminal(['before']);
    const edited = keyboard.line('> ');
    stdin.write('ac\x1b[Db\r');
    expect(await edited).toMatchObject({ text: 'abc' });
    const again = keyboard.line('> ');
    stdin.write('\x1b[A\x1b[A\r');
    expect(await again).toMatchObject({ text: 'before' });
  });

  it('reads answers that are not for the history', async () => {
    const { keyboard, stdin } = terminal();
    const answer = keyboard.line('name: ', false);
    stdin.write('Alice\r');
    expect(await answer).toMatchObject({ text: 'Alice' });
    const code = keyboard.line('> ');
    stdin.write('code\r');
    await code;
    expect(keyboard.history).toEqual(['code']);
  });

  it('shows nothing of a secret', async () => {
    const { keyboard, stdin, shown } = terminal();
    const secret = keyboard.secret();
    stdin.write('hun\x1b[Ax\x7fter\x15swordf\u00efsh\r');
    expect(await secret).toMatchObject({ kind: 'line', text: 'swordf\u00efsh' });
    expect(shown()).not.toMatch(/hun|sword/);
  });

  it('completes words, and indents at the begin of a line', async () => {
    const { keyboard, stdin, complete } = terminal();
    const word = keyboard.line('> ');
    stdin.write('appe\t');
    await vi.waitFor(() => expect(complete).toHaveBeenCalledWith('appe'));
    await arrived();
    stdin.write('\r');
    expect(await word).toMatchObject({ text: 'append' });
    const indented = keyboard.line('> ');
    stdin.write('\t');
    await arrived();
    stdin.write('x\r');
    expect(await indented).toMatchObject({ text: '    x' });
  });

  it('ends with its terminal, and gives it back as it was', async () => {
    const { keyboard, stdin, shown } = terminal();
    const line = keyboard.line('> ');
    stdin.end();
    expect(await line).toEqual({ kind: 'end' });
    expect(await keyboard.line('> ')).toEqual({ kind: 'end' });
    keyboard.close();
    expect(stdin.setRawMode.mock.calls).toEqual([[true], [false]]);
    expect(shown().startsWith('\x1b[?2004h')).toBe(true);
    expect(shown().endsWith('\x1b[?2004l')).toBe(true);
  });
});
