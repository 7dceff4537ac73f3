import { describe, expect, it } from 'vitest';
import { LeaseWatch } from '../../../src/async/lease-watch.ts';
import { STILL_LOOKS_MAX } from '../../../src/async/limits.ts';
import { settlementOf } from '../../../src/async/settlement.ts';
import { DEFAULT_ASYNC } from '../../../src/config/async-spec.ts';
import { Failure, type FailureCode } from '../../../src/config/failure.ts';
import type { CallRun, Outcome } from '../../../src/worker/outcome.ts';

const T0 = 1_800_000_000_000;
const RUN = { instance: 0, version: 'v' } as CallRun;
const FRESH = { attempts: 0, refusals: 0, createdMs: T0 };

const raised = (body: string): Outcome => ({ kind: 'raised', body: Buffer.from(body), run: RUN });
const BOOM = raised('{"errorType": "ValueError", "errorMessage": "boom"}');
const refused = (code: FailureCode): Outcome => ({ kind: 'refused', failure: new Failure(code, 'words') });
const ended = (cause: 'destroyed' | 'not-started' | 'lost'): Outcome =>
  ({ kind: 'ended', ending: { cause, reason: 'words' }, memoryMb: 256, run: RUN }) as Outcome;

const judged = (outcome: Outcome, { job = FRESH, spec = DEFAULT_ASYNC, nowMs = T0, random = 0 } = {}) =>
  settlementOf(outcome, { job, spec, nowMs, random });

describe('a call', () => {
  it('that returned is done', () => {
    expect(judged({ kind: 'result', body: Buffer.from('1'), run: RUN })).toEqual({ kind: 'done' });
  });

  it('that failed is retried after one minute and two, then given up', () => {
    const error = { errorType: 'ValueError', errorMessage: 'boom' };
    expect(judged(BOOM)).toEqual({ kind: 'retry', dueMs: T0 + 60_000, error });
    expect(judged(BOOM, { job: { ...FRESH, attempts: 1 } })).toEqual({ kind: 'retry', dueMs: T0 + 120_000, error });
    expect(judged(BOOM, { job: { ...FRESH, attempts: 2 } })).toEqual({ kind: 'dead', error });
  });

  it('waits a little longer by chance', () => {
    expect(judged(BOOM, { random: 1 })).toMatchObject({ dueMs: T0 + 75_000 });
  });

  it('that would be too old by then is given up now', () => {
    const spec = { ...DEFAULT_ASYNC, max_age_s: 100 };
    expect(judged(BOOM, { spec, nowMs: T0 + 39_999 })).toMatchObject({ kind: 'retry' });
    expect(judged(BOOM, { spec, nowMs: T0 + 40_000 })).toMatchObject({ kind: 'dead' });
    expect(judged(refused('queue-full'), { spec, nowMs: T0 + 99_500 })).toMatchObject({ kind: 'dead' });
  });

  it.each(['queue-full', 'queue-timeout', 'event-memory-full', 'registry-unreachable', 'packages-installing'] as const)(
    'that found no instance (%s) has made no attempt, and waits longer each time, up to a minute',
    (code) => {
      const job = { ...FRESH, attempts: 2 };
      expect(judged(refused(code), { job })).toMatchObject({ kind: 'refused', dueMs: T0 + 1_000 });
      expect(judged(refused(code), { job: { ...job, refusals: 3 } })).toMatchObject({ dueMs: T0 + 8_000 });
      expect(judged(refused(code), { job: { ...job, refusals: 99 } })).toMatchObject({ dueMs: T0 + 60_000 });
    },
  );

  it('whose lambda has gone or can not be used is retried, and given up', () => {
    expect(judged(refused('lambda-missing'))).toMatchObject({ kind: 'retry', error: { errorType: 'Lambda.NotFound' } });
    expect(judged(refused('lambda-invalid'), { job: { ...FRESH, attempts: 2 } })).toMatchObject({ kind: 'dead' });
  });

  it('that the end of its worker cut off runs again, whatever it has behind it', () => {
    const job = { ...FRESH, attempts: 2 };
    expect(judged(ended('destroyed'), { job })).toEqual({ kind: 'lost' });
    expect(judged(refused('stopping'), { job })).toEqual({ kind: 'released' });
    expect(judged(ended('not-started'), { job })).toMatchObject({ kind: 'refused' });
    expect(judged(ended('lost'), { job })).toMatchObject({ kind: 'dead', error: { errorType: 'Sandbox.Lost' } });
  });

  it('whose event can never be read is given up at once', () => {
    const body = Buffer.from('{"errorType": "Runtime.UnmarshalError", "errorMessage": "no"}');
    expect(judged({ kind: 'event-invalid', body, run: RUN })).toMatchObject({ kind: 'dead' });
  });

  it.each([
    ['NaN in it', '{"errorType": "E", "errorMessage": NaN}', 'an error that is not JSON'],
    ['megabytes', `{"errorType": "E", "errorMessage": "${'x'.repeat(100_000)}"}`, /^an error of 100\d+ bytes$/],
    ['no text', '{"errorType": "E", "errorMessage": {}}', '[object Object]'],
  ])('may fail with %s', (_, body, message) => {
    const errorMessage = typeof message === 'string' ? message : expect.stringMatching(message);
    expect(judged(raised(body))).toMatchObject({ error: { errorType: 'E', errorMessage } });
  });
});

describe('a session', () => {
  const look = (watch: LeaseWatch, times: number, beat: (n: number) => number) =>
    Array.from({ length: times }, (_, n) => watch.look([{ session: 'other', beat: beat(n) }])).flat();

  it('that beats now and then lives', () => {
    expect(look(new LeaseWatch('own'), 100, (n) => Math.floor(n / STILL_LOOKS_MAX))).toEqual([]);
  });

  it('that stands still for several looks is dead', () => {
    expect(look(new LeaseWatch('own'), STILL_LOOKS_MAX, () => 7)).toEqual([]);
    expect(look(new LeaseWatch('own'), STILL_LOOKS_MAX + 1, () => 7)).toEqual(['other']);
  });

  it('that had nothing to run for a while is looked at anew', () => {
    const watch = new LeaseWatch('own');
    look(watch, STILL_LOOKS_MAX, () => 7);
    watch.look([]);
    expect(look(watch, STILL_LOOKS_MAX, () => 7)).toEqual([]);
  });

  it('never takes itself for dead', () => {
    expect(look(new LeaseWatch('other'), 100, () => 7)).toEqual([]);
  });
});
