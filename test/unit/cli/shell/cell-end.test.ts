import { describe, expect, it } from 'vitest';
import { isWholeCell } from '../../../../src/cli/shell/cell-end.ts';

/** Lines are joined by `/` to be read at a glance. */
const lines = (text: string) => text.split('/');

describe('a cell of Python', () => {
  it.each([
    '1 + 1',
    '',
    'x = {1: 2}',
    'x = [1,/2]',
    "s = 'a # b'",
    's = """a/b"""',
    'for i in x:/  print(i)/',
    'for i in x: print(i)',
    'class A:/  def f(self):/    pass/',
    '@cache/def f():/  pass/',
    'x = 1  # and: so/',
    "s = 'never closed",
    'f(lambda x:/  x)',
    'x = )',
    'f(//',
  ])('%s is whole', (text) => expect(isWholeCell('python', lines(text))).toBe(true));

  it.each([
    'f(',
    'x = [1,',
    's = """a',
    "s = '''a/",
    'for i in x:',
    'for i in x:/  print(i)',
    'if a:  # why',
    '@cache',
    'a = 1 + \\',
    'd = {/  1: [2,/]',
    "s = 'a\\",
    'class A:/  x = """/',
  ])('%s goes on', (text) => expect(isWholeCell('python', lines(text))).toBe(false));
});

describe('a cell of JavaScript', () => {
  it.each([
    '1 + 1',
    'const f = () => {/  return 1;/}',
    '`a/b`',
    "'{'",
    '// {'.replaceAll('/', '\u2044'),
    '/* { */ 1'.replaceAll('/', '\u2044'),
  ])('%s is whole', (text) =>
    expect(
      isWholeCell(
        'nodejs',
        lines(text).map((line) => line.replaceAll('\u2044', '/')),
      ),
    ).toBe(true),
  );
  it.each(['function f() {', '`a', '[1,', 'f({/  a: 1,'])('%s goes on', (text) =>
    expect(isWholeCell('nodejs', lines(text))).toBe(false),
  );
});

describe('a cell of bash', () => {
  it.each([
    'ls',
    'if true; then/echo if/fi',
    'for x in a b; do/echo $x/done',
    "echo 'a/b'",
    'echo if for while',
    'f() {/  ls/}',
    'cat <<EOF/if/EOF',
    'x=$(ls)',
    'case a in/a) ls ;;/esac',
    'echo a # if (',
    'echo $#',
    `echo $\{x}`,
  ])('%s is whole', (text) => expect(isWholeCell('bash', lines(text))).toBe(true));
  it.each([
    'if true',
    'if true; then',
    "echo 'a",
    'ls |',
    'ls &&',
    'ls \\',
    'cat <<EOF',
    'cat <<EOF/a',
    'x=$(',
    'f() {',
    'while read x',
    'case a in/a) ls ;;',
  ])('%s goes on', (text) => expect(isWholeCell('bash', lines(text))).toBe(false));
});

it('of a language whose cells are programs ends with an empty line', () => {
  expect(isWholeCell('c', ['#include <stdio.h>'])).toBe(false);
  expect(isWholeCell('c', ['#include <stdio.h>', 'int main(void) {}', ''])).toBe(true);
});
