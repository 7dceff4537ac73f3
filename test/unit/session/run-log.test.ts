import { describe, expect, it } from 'vitest';
import { PIECE_CHARS_LEAST, RESULT_CHARS_MAX, RUN_CHARS_MAX } from '../../../src/session/limits.ts';
import { RunLog } from '../../../src/session/run-log.ts';

const MEGABYTE = 1_048_576;
const display = (bundle: Record<string, string>) => ({ bundle, execution: false });

describe('what an execution has said', () => {
  it('is as much as may be, also in names of types', () => {
    const log = new RunLog();
    for (let count = 0; count < 2 * (RUN_CHARS_MAX / MEGABYTE); count += 1) {
      log.display(display({ [`text/${'x'.repeat(MEGABYTE)}`]: '' }));
      log.add(['media', ['y'.repeat(MEGABYTE), '']]);
    }
    let chars = 0;
    for (let after = 0; after < log.end; ) {
      const { console, displays = [], next } = log.take(after);
      chars += JSON.stringify([console, displays]).length;
      after = next;
    }
    expect(chars).toBeLessThan(RUN_CHARS_MAX + MEGABYTE);
  });

  it('is a whole result when it is many small things, too', () => {
    const log = new RunLog();
    const most = RESULT_CHARS_MAX / PIECE_CHARS_LEAST;
    for (let count = 0; count < most - 1; count += 1) log.display(display({ a: '' }));
    expect(log.isDue(0)).toBe(false);
    log.display(display({ a: '' }));
    expect(log.isDue(0)).toBe(true);
    expect(log.isDue(1)).toBe(false);
    log.display(display({ a: '' }));
    expect(log.take(0).displays).toHaveLength(most);
    expect(log.take(0).next).toBe(most);
  });

  it('is due for what it has come to, and for no input that it has', () => {
    const log = new RunLog();
    log.add(['stdout', 'name?']);
    expect(log.isDue(0)).toBe(false);
    log.mark({ status: 'waiting-input', exitCode: null });
    expect([log.isDue(0), log.isDue(1), log.isDue(2)]).toEqual([true, true, false]);
    log.answered();
    log.add(['stdout', 'Bob']);
    expect([log.isDue(0), log.isDue(1)]).toEqual([false, false]);
    log.mark({ status: 'build-finished', exitCode: 0 });
    log.add(['stdout', 'more']);
    expect([log.isDue(0), log.isDue(3), log.isDue(4)]).toEqual([true, true, false]);
    log.mark({ status: 'finished', exitCode: 0 });
    expect([log.isDue(4), log.isDue(5), log.isDue(99)]).toEqual([true, true, true]);
  });

  it('is due as before when the oldest of it has gone', () => {
    const log = new RunLog();
    log.mark({ status: 'clean-finished', exitCode: 0 });
    for (let count = 0; count < 12; count += 1) log.add(['html', 'x'.repeat(MEGABYTE)]);
    const last = log.end;
    log.add(['html', 'y']);
    expect([log.isDue(0), log.isDue(last - 1), log.isDue(last)]).toEqual([true, false, false]);
  });
});
