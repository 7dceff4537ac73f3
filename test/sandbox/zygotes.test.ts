import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';

describe('the counts of an engine', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startBench({ poolSize: 2 });
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
  });
  afterEach(() => bench.close());

  it('tell what waits, what was handed over and what it was made from', async () => {
    expect(bench.engine.stats()).toEqual({
      poolWaiting: 2,
      poolTarget: 2,
      handedOverFromPool: 0,
      handedOverEmpty: 0,
      zygotes: 1,
      forks: 2,
      zygotesRenewed: 0,
    });
    const sandboxes = await Promise.all(Array.from({ length: 3 }, () => bench.sandbox(HELLO)));
    for (const sandbox of sandboxes) expect(await resultOf(sandbox)).toBe('hello');
    expect(bench.engine.stats()).toMatchObject({ handedOverFromPool: 2, handedOverEmpty: 1 });
    await expect.poll(() => bench.engine.stats().poolWaiting).toBe(2);
    expect(bench.engine.stats().forks).toBe(5);
  });
});
