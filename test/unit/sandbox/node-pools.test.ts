import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Making } from '../../../src/sandbox/maker.ts';
import type { Slot } from '../../../src/sandbox/slot.ts';
import { NodePools } from '../../../src/sandbox/sock/node-pools.ts';

interface Made {
  making: Making;
  state: Slot['state'];
  destroy(): Promise<void>;
}

let made: Made[];
let pools: NodePools;

function open(poolSize = 6): void {
  pools = new NodePools({ prepare, poolSize, poolMax: 20 });
}

function prepare(making: Making): Slot {
  const slot: Made = {
    making,
    state: 'waiting',
    destroy: async () => {
      slot.state = 'ended';
    },
  };
  made.push(slot);
  return slot as unknown as Slot;
}

const waiting = () => made.filter(({ state }) => state === 'waiting').map(({ making }) => making.heap_mb);

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(1_000);
  made = [];
});
afterEach(() => {
  pools.close();
  vi.useRealTimers();
});

describe('sandboxes in which Node waits', () => {
  test('are none until somebody is expected to ask for one, and then a few of that size', () => {
    open();
    pools.tend();
    expect(waiting()).toEqual([]);
    pools.expect(232).tend();
    expect(waiting()).toEqual([232, 232]);
    expect(made[0]?.making).toMatchObject({ program: 'node', host_network: false, branch: null });
    pools.expect(232).tend();
    expect(made).toHaveLength(2);
    expect(pools.find(232)?.take()).toBe(made[0]);
    expect(pools.find(100)).toBeUndefined();
  });

  test('are none where nothing waits', () => {
    open(0);
    pools.expect(232).tend();
    expect(made).toEqual([]);
  });

  test('are given back when nobody has asked for ten minutes, and what was taken of them still counts', () => {
    open();
    pools.expect(232).tend();
    pools.find(232)?.take();
    vi.advanceTimersByTime(599_000);
    pools.expect(232);
    vi.advanceTimersByTime(599_000);
    expect(pools.all).toHaveLength(1);
    vi.advanceTimersByTime(2_000);
    expect(pools.all).toEqual([]);
    expect(waiting()).toEqual([232]); // the one that was taken
    expect(pools.taken).toEqual({ waiting: 1, unfinished: 0 });
  });

  test('are of eight sizes at most: the one used longest ago goes', () => {
    open();
    for (let mb = 1; mb <= 8; mb += 1) pools.expect(mb).tend();
    pools.expect(1);
    pools.expect(9).tend();
    expect(new Set(waiting())).toEqual(new Set([1, 3, 4, 5, 6, 7, 8, 9]));
  });

  test('are made again when there is another spawner', () => {
    open();
    pools.expect(232).tend();
    pools.lose();
    for (const slot of made) slot.state = 'ended';
    pools.tend();
    expect(waiting()).toEqual([232, 232]);
  });
});
