import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../src/gateway/rate-limit.ts';

describe('the rate limit of a key', () => {
  it('counts down, refuses, says when to come back, and rolls on', () => {
    let nowMs = 1_000_000;
    const limiter = new RateLimiter(() => nowMs);
    expect(limiter.count('a', 3)).toEqual({ limit: 3, remaining: 2, retryAfterS: undefined });
    nowMs += 10_000;
    expect(limiter.count('a', 3).remaining).toBe(1);
    expect(limiter.count('a', 3).remaining).toBe(0);
    expect(limiter.count('a', 3)).toEqual({ limit: 3, remaining: 0, retryAfterS: 890 });
    // Refused calls do not push the window on.
    nowMs += 889_999;
    expect(limiter.count('a', 3).retryAfterS).toBe(1);
    nowMs += 1;
    expect(limiter.count('a', 3)).toEqual({ limit: 3, remaining: 0, retryAfterS: undefined });
    expect(limiter.count('a', 3).retryAfterS).toBe(10);
  });

  it('is each key its own, and may be lowered', () => {
    const limiter = new RateLimiter(() => 0);
    for (let n = 0; n < 100; n += 1) expect(limiter.count('a', 100).remaining).toBe(99 - n);
    expect(limiter.count('a', 100).retryAfterS).toBe(900);
    expect(limiter.count('b', 1).remaining).toBe(0);
    expect(limiter.count('a', 10).retryAfterS).toBe(900);
    expect(limiter.count('c', 0).retryAfterS).toBe(900);
  });

  it('forgets keys that nobody uses', () => {
    let nowMs = 0;
    const limiter = new RateLimiter(() => nowMs);
    for (let n = 0; n < 50; n += 1) limiter.count('a', 100);
    nowMs = 2_000_000;
    limiter.count('b', 100);
    expect(limiter.count('a', 100).remaining).toBe(99);
  });
});
