/** What package code says of imports is taken for no more than can be true. */
import { expect, test } from 'vitest';
import { parseImports, parseLoaded } from '../../../src/sandbox/imports.ts';

const MINUTE_US = 60_000_000;
const LOADED = { asked: [['a', 5]], units: ['a'], environ: [], grown_kb: 3 };

test.each([
  [5, 5],
  [0.5, 0.5],
  [MINUTE_US, MINUTE_US],
  [MINUTE_US + 1, MINUTE_US],
  [1e300, MINUTE_US],
  [-1, 0],
  [Number.POSITIVE_INFINITY, 0],
  [Number.NaN, 0],
  ['5', 0],
  [null, 0],
  [[5], 0],
])('an import that is said to have taken %j us is taken to have taken %j', (said, taken) => {
  expect(parseImports({ took_us: { a: said } }).tookUs.get('a')).toBe(taken);
  expect(parseLoaded({ ...LOADED, asked: [['a', said]] })?.asked).toEqual([{ module: 'a', us: taken }]);
});

test.each([null, 5, 'x', [], {}, { vain: 5, environ: [5] }, { vain: Array(2_000).fill('a'), environ: [''] }])(
  'a zygote that says %j lets nobody start from it who looks for or reads anything',
  (said) => {
    expect(parseImports(said)).toEqual({ tookUs: new Map(), units: [], vain: ['*'], environ: ['*'] });
  },
);

test.each([
  null,
  5,
  [],
  {},
  { ...LOADED, units: 5 },
  { ...LOADED, environ: ['x'.repeat(201)] },
  { ...LOADED, asked: 1 },
])('a sandbox that says %j has said nothing of its imports', (said) => {
  expect(parseLoaded(said)).toBeUndefined();
});

test('of what a sandbox has imported, that which has no name is left out', () => {
  const said = { ...LOADED, asked: [['a', 1], ['', 1], [5, 1], 'b', ['c'.repeat(201), 1], ['d', 2]] };
  expect(parseLoaded(said)?.asked).toEqual([
    { module: 'a', us: 1 },
    { module: 'd', us: 2 },
  ]);
});
