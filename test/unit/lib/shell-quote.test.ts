import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellQuote } from '../../../src/lib/shell-quote.ts';

test('a plain path stays as it is', () => {
  expect(shellQuote('/srv/functions/my-cluster_1.2')).toBe('/srv/functions/my-cluster_1.2');
});

test.each(['/tmp/cl i/a', "it's", '$HOME', 'a;b', '', '~', 'a\nb', '`id`', '*', 'ä'])(
  'a shell reads %j back',
  (word) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellQuote(word)}`], { encoding: 'utf8' })).toBe(word);
  },
);
