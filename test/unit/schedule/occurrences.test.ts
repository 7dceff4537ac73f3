import { describe, expect, it } from 'vitest';
import { MISSED_CALLS_MAX } from '../../../src/schedule/limits.ts';
import { Occurrences, patternOf, patternParts } from '../../../src/schedule/occurrences.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const at = (iso: string): number => Date.parse(iso);
const of = (cron: string, { timezone = 'UTC', missed = 'once' as 'skip' | 'once' | 'all' } = {}) =>
  new Occurrences({ cron, timezone, missed });

function following(occurrences: Occurrences, from: string, count: number): string[] {
  const times: string[] = [];
  for (let ms = at(from); times.length < count; times.push(new Date(ms).toISOString())) ms = occurrences.after(ms)!;
  return times;
}

describe('a schedule', () => {
  it('keeps to its time zone, which has summer and winter', () => {
    expect(following(of('0 9 * * *', { timezone: 'Europe/Berlin' }), '2027-03-27T00:00:00Z', 2)).toEqual([
      '2027-03-27T08:00:00.000Z',
      '2027-03-28T07:00:00.000Z',
    ]);
  });

  it('at a time that a day does not have fires when the clock has jumped', () => {
    expect(following(of('30 2 * * *', { timezone: 'Europe/Berlin' }), '2027-03-27T12:00:00Z', 2)).toEqual([
      '2027-03-28T01:00:00.000Z',
      '2027-03-29T00:30:00.000Z',
    ]);
  });

  it('at a time that a day has twice fires once, and one of all half hours at each', () => {
    const zone = { timezone: 'Europe/Berlin' };
    expect(following(of('30 2 * * *', zone), '2027-10-30T12:00:00Z', 2)).toEqual([
      '2027-10-31T00:30:00.000Z',
      '2027-11-01T01:30:00.000Z',
    ]);
    expect(following(of('*/30 * * * *', zone), '2027-10-31T00:00:00Z', 3)).toEqual([
      '2027-10-31T00:30:00.000Z',
      '2027-10-31T01:00:00.000Z',
      '2027-10-31T01:30:00.000Z',
    ]);
  });

  it('that is never due has no next time', () => {
    expect(of('0 0 30 2 *').after(at('2027-01-01T00:00:00Z'))).toBeUndefined();
    expect(of('0 0 30 2 *').plan(0, at('2027-01-01T00:00:00Z'))).toBeUndefined();
  });

  it('is known by its pattern and its zone', () => {
    const spec = { cron: '0 0 * * MON-FRI', timezone: 'America/New_York' };
    expect(patternParts(patternOf(spec))).toEqual(spec);
  });
});

describe('what is due', () => {
  const NOW = at('2027-06-01T12:00:30Z');
  const LAST = at('2027-06-01T09:00:00Z');
  const [TEN, ELEVEN, TWELVE] = [10, 11, 12].map((hour) => at(`2027-06-01T${hour}:00:00Z`)) as [number, number, number];

  it('is nothing before its time', () => {
    expect(of('0 * * * *').plan(TWELVE, NOW)).toBeUndefined();
  });

  it.each([
    ['skip', [TWELVE], 2],
    ['once', [TWELVE], 2],
    ['all', [TEN, ELEVEN, TWELVE], 0],
  ] as const)('and on time is fired whatever becomes of what was missed: %s', (missed, fire, passedOver) => {
    expect(of('0 * * * *', { missed }).plan(LAST, NOW)).toEqual({ fire, passedOver, upToMs: TWELVE });
  });

  it.each([
    ['skip', [], 3],
    ['once', [TWELVE], 2],
    ['all', [TEN, ELEVEN, TWELVE], 0],
  ] as const)('and missed is made up for as it says: %s', (missed, fire, passedOver) => {
    expect(of('0 * * * *', { missed }).plan(LAST, NOW + 10 * MINUTE)).toEqual({ fire, passedOver, upToMs: TWELVE });
  });

  it('is bounded: the last of them, however long nobody was there', () => {
    const plan = of('* * * * * *', { missed: 'all' }).plan(NOW - 10_000 * HOUR, NOW);
    expect(plan?.fire).toHaveLength(MISSED_CALLS_MAX);
    expect(plan?.fire.at(-1)).toBe(NOW);
    expect(plan?.fire[0]).toBe(NOW - (MISSED_CALLS_MAX - 1) * 1000);
  });
});
