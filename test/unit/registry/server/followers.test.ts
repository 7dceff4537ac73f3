import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Followers } from '../../../../src/registry/server/followers.ts';
import { FOLLOWER_RETURN_MS_MAX } from '../../../../src/registry/server/limits.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function settled(promise: Promise<void>): () => Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  return async () => {
    await Promise.resolve();
    await Promise.resolve();
    return done;
  };
}

test('with nobody who follows, nobody is waited for', async () => {
  await new Followers().noted(7);
});

test('a change is noted when all have asked past it', async () => {
  const followers = new Followers();
  followers.asked('a', 1);
  followers.asked('b', 1);
  const noted = settled(followers.noted(2));
  followers.answered('a');
  followers.answered('b');
  followers.asked('a', 2);
  expect(await noted()).toBe(false);
  followers.asked('b', 3);
  expect(await noted()).toBe(true);
  followers.close();
});

test('who hangs up is not waited for', async () => {
  const followers = new Followers();
  followers.asked('a', 1);
  const noted = settled(followers.noted(2));
  followers.gone('a');
  expect(await noted()).toBe(true);
  expect(followers.count).toBe(0);
});

test('who does not come back is waited for once', async () => {
  const followers = new Followers();
  followers.asked('a', 1);
  const noted = settled(followers.noted(2));
  followers.answered('a');
  vi.advanceTimersByTime(FOLLOWER_RETURN_MS_MAX - 1);
  expect(await noted()).toBe(false);
  vi.advanceTimersByTime(1);
  expect(await noted()).toBe(true);
  await followers.noted(3);
  followers.asked('a', 1);
  expect(followers.count).toBe(1);
  followers.close();
});

test('nobody is waited for longer than that, whatever he does', async () => {
  const followers = new Followers();
  followers.asked('a', 1);
  const noted = settled(followers.noted(2));
  for (let at = 0; at < 4; at += 1) {
    vi.advanceTimersByTime(FOLLOWER_RETURN_MS_MAX / 4);
    followers.asked('a', 1);
  }
  expect(await noted()).toBe(true);
  followers.close();
});
