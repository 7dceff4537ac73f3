import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Progress, wantsProgress } from '../../../src/cli/progress.ts';

function terminal(isTTY: boolean) {
  return Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY });
}

describe('progress', () => {
  test.each([
    [true, {}, true],
    [false, {}, false],
    [true, { TERM: 'dumb' }, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { CI: 'true' }, false],
    [true, { CI: 'false' }, true],
  ])('on a terminal (%s) with %j is shown: %s', (isTTY, env, shown) => {
    expect(wantsProgress(terminal(isTTY), env)).toBe(shown);
  });

  test('is one line, which goes when the work is done', () => {
    const stderr = terminal(true);
    const progress = new Progress({ stderr, env: {} });
    progress.show('1 of 3');
    progress.show('1 of 3');
    progress.show('2 of 3');
    progress.clear();
    progress.clear();
    expect(stderr.read()).toBe('\r1 of 3\x1b[K\r2 of 3\x1b[K\r\x1b[K');
  });

  test('leaves nothing where nobody looks', () => {
    const stderr = terminal(false);
    const progress = new Progress({ stderr, env: {} });
    progress.show('1 of 3');
    progress.clear();
    expect(stderr.read()).toBeNull();
  });
});
