import { describe, expect, it } from 'vitest';
import { EventLog, type SessionEvent } from '../../../src/gateway/event-log.ts';
import { EVENTS_KEPT } from '../../../src/gateway/limits.ts';

const event = (token: string) => ({ name: 'kernel_started', token, accessKey: 'A', reason: '' }) as const;
const tokens = (events: readonly SessionEvent[]) => events.map(({ token }) => token);

describe('the log of events', () => {
  it('tells who listens, until they stop', () => {
    const log = new EventLog('life');
    const heard: SessionEvent[] = [];
    const stop = log.listen((one) => heard.push(one));
    log.add(event('a'));
    stop();
    log.add(event('b'));
    expect(heard).toEqual([{ id: 'life-1', exitCode: undefined, ...event('a') }]);
  });

  it('tells what was missed since an id', () => {
    const log = new EventLog('life');
    for (const token of ['a', 'b', 'c']) log.add(event(token));
    expect(tokens(log.since('life-1'))).toEqual(['b', 'c']);
    expect(log.since('life-3')).toEqual([]);
    expect(log.since('life-9')).toEqual([]);
    expect(log.since('nonsense')).toEqual([]);
    // Of an earlier life of the gateway: all that there is.
    expect(tokens(log.since('before-2'))).toEqual(['a', 'b', 'c']);
  });

  it('keeps the last of them, with their numbers', () => {
    const log = new EventLog('life');
    const count = EVENTS_KEPT * 2;
    for (let n = 1; n <= count; n += 1) log.add(event(String(n)));
    const kept = log.since('life-0');
    expect(kept.length).toBeGreaterThanOrEqual(EVENTS_KEPT);
    expect(kept.length).toBeLessThan(EVENTS_KEPT * 1.2);
    expect(kept.at(-1)!.token).toBe(String(count));
    expect(tokens(log.since(`life-${count - 2}`))).toEqual([String(count - 1), String(count)]);
  });
});
