import { describe, expect, it } from 'vitest';
import { loadFacts, loadReport, percentiles } from '../../../src/cli/load-report.ts';

const warm = { tookMs: 1, cold: false, parts: { queue: 0, run: 0.5 } };
const cold = { tookMs: 5, cold: true, parts: { queue: 0, init: 2, run: 1 } };

describe('percentiles', () => {
  it('are times that were measured', () => {
    const times = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect(percentiles(times)).toEqual({ count: 200, p50: 100, p90: 180, p99: 198, max: 200 });
    expect(percentiles([3])).toEqual({ count: 1, p50: 3, p90: 3, p99: 3, max: 3 });
    expect(percentiles([])).toBeUndefined();
  });
});

describe('a report', () => {
  const result = {
    served: [warm, warm, warm, cold],
    failed: new Map(),
    unsent: 0,
    lateMs: [0, 0, 0, 1],
    tookMs: 2_000,
  };

  it('tells warm and cold apart, and the times that the worker told', () => {
    expect(loadReport(loadFacts(result))).toEqual([
      '4 calls sent in 2 s, 4 answered: 2 per second',
      '',
      'MILLISECONDS  CALLS  P50  P90  P99  MAX',
      'all           4      1    5    5    5',
      'warm          3      1    1    1    1',
      'cold          1      5    5    5    5',
      '  queue       4      0    0    0    0',
      '  init        1      2    2    2    2',
      '  run         4      0.5  1    1    1',
    ]);
  });

  it('names failures, what was not sent, and a machine that is too busy', () => {
    const failed = new Map([['Lambda.NotFound', 2]]);
    expect(loadReport(loadFacts({ served: [], failed, unsent: 7, lateMs: [1, 9], tookMs: 1_000 }))).toEqual([
      '2 calls sent in 1 s, 0 answered: 0 per second',
      'failed:',
      '  2 x Lambda.NotFound',
      '7 not sent, because too many were under way (--open)',
      '',
      '1 in 100 calls was sent 9 ms late or more: this machine is too busy for that rate',
    ]);
  });
});
