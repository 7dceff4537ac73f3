import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, it } from 'vitest';
import { programKind } from '../../../../src/cli/session/program-kind.ts';
import { RunOutput, sizeWords } from '../../../../src/cli/shell/run-output.ts';
import { TerminalText } from '../../../../src/cli/shell/terminal-text.ts';
import type { ConsoleItem, Display } from '../../../../src/client/result.ts';
import { scratchDir } from '../../scratch-dir.ts';

function sink(isTTY: boolean) {
  const pieces: string[] = [];
  const stream = Object.assign(
    new Writable({
      write: (chunk, _, done) => {
        pieces.push(String(chunk));
        done();
      },
    }),
    { isTTY },
  );
  return { stream, text: () => pieces.join('') };
}

function shown(
  items: readonly (readonly [ConsoleItem, Display?])[],
  { isTTY = true, mediaDir }: { isTTY?: boolean; mediaDir?: string } = {},
) {
  const stdout = sink(isTTY);
  const stderr = sink(isTTY);
  const output = new RunOutput({ stdout: stdout.stream, stderr: stderr.stream, hasColour: false, mediaDir });
  for (const [item, display] of items) output.show(item, display);
  const { tail } = output;
  output.finish();
  return { stdout: stdout.text(), stderr: stderr.text(), tail };
}

it('text is shown as it is, and the next thing begins on a line of its own', () => {
  expect(shown([[['stdout', 'a\nName: ']]])).toEqual({ stdout: 'a\nName: \n', stderr: '', tail: 'Name: ' });
  expect(shown([[['stdout', 'a']]], { isTTY: false }).stdout).toBe('a');
  expect(shown([[['stdout', 'a']], [['stderr', 'b\n']]])).toEqual({ stdout: 'a', stderr: 'b\n', tail: '' });
});

it('of what is more than text the plain form is shown, else what it is', () => {
  const display = { bundle: { 'text/html': '<table>', 'text/plain': '   a\n0  1' }, execution: true };
  expect(shown([[['html', '<table>'], display]]).stdout).toBe('   a\n0  1\n');
  expect(shown([[['html', '<table>']]]).stdout).toBe('[text/html, 7 B]\n');
  const png = `data:image/png;base64,${Buffer.alloc(12_345).toString('base64')}`;
  expect(shown([[['media', ['image/png', png]]]]).stdout).toBe('[image/png, 12 KB]\n');
  expect(sizeWords(3_456_789)).toBe('3.5 MB');
});

it('is kept in files if that is wanted, none of them twice', () => {
  const dir = mkdtempSync(join(scratchDir(), 'isla-media-'));
  try {
    const png = `data:image/png;base64,${Buffer.from('png').toString('base64')}`;
    const items = [[['media', ['image/png', png]]], [['media', ['image/svg+xml', '<svg/>']]]] as const;
    expect(shown(items, { mediaDir: dir }).stdout).toBe(
      `[image/png, 3 B: ${dir}/1.png]\n[image/svg+xml, 6 B: ${dir}/2.svg]\n`,
    );
    shown(items.slice(0, 1), { mediaDir: dir });
    expect(readdirSync(dir).sort()).toEqual(['1.png', '2.png', '2.svg']);
    expect(readFileSync(join(dir, '1.png'), 'utf8')).toBe('png');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('a terminal gets colours and returns, and nothing else to obey', () => {
  const text = new TerminalText(true);
  expect(text.take('\x1b[31mred\x1b[0m 50%\r\x1b[K100%\n')).toBe('\x1b[31mred\x1b[0m 50%\r\x1b[K100%\n');
  expect(text.take('\x1b]52;c;eA==\x07\x1b[2J')).toBe('\\x1b]52;c;eA==\\x07\\x1b[2J');
  expect(text.take('a\x1b[3')).toBe('a');
  expect(text.take('2mb')).toBe('\x1b[32mb');
  expect(text.take('\x1b[')).toBe('');
  expect(text.end()).toBe('\\x1b[');
  const plain = new TerminalText(false);
  expect(plain.take('\x1b[31mred\x1b[0m')).toBe('red');
});

it('a program is what its name or its caller says', () => {
  expect(programKind('a/b.py', undefined).command('b.py')).toEqual(['python3', 'b.py']);
  expect(programKind('x.CPP', undefined)).toMatchObject({ language: 'cpp', file: 'main.cpp', build: '*' });
  expect(programKind('script', 'bash').command('script')).toEqual(['bash', 'script']);
  expect(programKind('x.txt', 'python:3.11')).toMatchObject({ language: 'python:3.11' });
  expect(() => programKind('Makefile', undefined)).toThrow(/says no language.*python, nodejs/);
  expect(() => programKind('a.py', 'cobol')).toThrow(/cobol is not known/);
});
