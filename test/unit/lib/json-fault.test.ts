import { expect, test } from 'vitest';
import { jsonFault } from '../../../src/lib/json-fault.ts';

test.each([
  ['{"a": 1,}', 1, 9, '"}"'],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, '"\\""'],
  ['{"a": x}', 1, 7, '"x"'],
  ["{'a': 1}", 1, 2, '"\'"'],
  ['{"a": [1, 2}', 1, 12, '"}"'],
  ['{"a": 01}', 1, 7, '"0"'],
  ['{"a": 1', 1, 8, 'the end of the text'],
  ['', 1, 1, 'the end of the text'],
  ['{} {}', 1, 4, '"{"'],
  ['\ufeff{}', 1, 1, '"\ufeff"'],
])('%j is no JSON from line %i, column %i', (text, line, column, found) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(jsonFault(text)).toEqual({ line, column, found });
});

test.each(['{}', ' [1, -2.5e+3, true, {"a\\u00e4": [null]}, []] \n', '"\\n"', '0'])('%j has none', (text) => {
  expect(() => JSON.parse(text)).not.toThrow();
  expect(jsonFault(text)).toBeUndefined();
});
