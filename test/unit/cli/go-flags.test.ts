import { describe, expect, test } from 'vitest';
import { type GoFlag, rewriteGoFlags } from '../../../src/cli/go-flags.ts';

const FLAGS: GoFlag[] = [
  { long: 'cluster', takesValue: true },
  { long: 'port', short: 'p', takesValue: true },
  { long: 'num-workers', short: 'n', takesValue: true },
  { long: 'json', takesValue: false },
  { long: 'help', short: 'h', takesValue: false },
];

describe('flags in the spellings of Go', () => {
  test.each([
    ['-cluster=x', '--cluster=x'],
    ['-cluster x', '--cluster x'],
    ['--cluster=x', '--cluster=x'],
    ['--cluster x', '--cluster x'],
    ['-num-workers=3 -port 1', '--num-workers=3 --port 1'],
    ['-p 8080 -n 2', '-p 8080 -n 2'],
    ['-p=8080', '-p 8080'],
    ['--p 8080', '-p 8080'],
    ['-p8080', '-p8080'],
    ['-h', '-h'],
    ['-help', '--help'],
    ['-json', '--json'],
    ['-json=true --json=false', '--json'],
    ['-json=perhaps', '--json=perhaps'],
    ['-cluster=a=b', '--cluster=a=b'],
    ['-cluster=', '--cluster='],
    ['-cluster -weird', '--cluster -weird'],
    ['--cluster --json', '--cluster --json'],
    ['-cluster', '--cluster'],
    ['-clutser=x', '--clutser=x'],
    ['--clutser=x', '--clutser=x'],
    ['-x', '-x'],
    ['-5 -', '-5 -'],
    ['-cluster x -- -cluster y', '--cluster x -- -cluster y'],
    ['{"a":-1} -json', '{"a":-1} --json'],
  ])('%s is %s', (given, meant) => {
    expect(rewriteGoFlags(given.split(' '), FLAGS)).toEqual(meant.split(' '));
  });

  test.each([
    ['-cluster x FILE --flag -json', '--cluster x FILE -- --flag -json'],
    ['FILE -- --flag', 'FILE -- -- --flag'],
    ['-- FILE -json', '-- FILE -json'],
    ['- -json', '- -- -json'],
    ['-json', '--json'],
  ])('%s is %s to what passes arguments on', (given, meant) => {
    expect(rewriteGoFlags(given.split(' '), FLAGS, true)).toEqual(meant.split(' '));
  });

  test('a value may hold lines', () => {
    expect(rewriteGoFlags(['-cluster=a\nb'], FLAGS)).toEqual(['--cluster=a\nb']);
  });
});
